import { setTimeout as sleep } from 'node:timers/promises';
import type { AdminClient } from '../admin/client.ts';
import type { ConsoleLineView, ConsoleView } from '../admin/console-api.ts';
import { toTinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import { isUrgent } from '../protocol/syslog/priority.ts';
import { plain } from './format-timeline.ts';

export interface ConsoleArgs {
  readonly json: boolean;
  readonly follow: boolean;
}

export interface ConsoleDeps {
  readonly client: Pick<AdminClient, 'console'>;
  readonly out: (text: string) => void;
  /** Ends `follow`. */
  readonly signal?: AbortSignal;
  /** Milliseconds between two looks; for tests. */
  readonly pause?: number;
}

/** In ms. */
const PAUSE = 1_000;

/**
 * `tinderbox machines MAC --console`: what the machine printed, as far as it comes by syslog; with `follow` what it goes
 * on to print, until the daemon stops.
 */
export async function runConsole(mac: Mac, args: ConsoleArgs, deps: ConsoleDeps): Promise<void> {
  const { client, out, signal, pause = PAUSE } = deps;
  let view = await client.console(mac);
  if (!args.follow) return out(args.json ? `${JSON.stringify(view)}\n` : formatConsole(view));
  let newest = 0;
  for (;;) {
    out(args.json ? view.lines.map((line) => `${JSON.stringify(line)}\n`).join('') : formatLines(view));
    // Numbers begin anew with the daemon.
    newest = view.lines.at(-1)?.number ?? newest;
    try {
      await sleep(pause, undefined, signal === undefined ? {} : { signal });
      view = await client.console(mac, newest);
    } catch (error) {
      // The daemon stopped, or the reader has seen enough.
      if (signal?.aborted === true || toTinderboxError(error).code === 'unavailable') return;
      throw error;
    }
  }
}

/** For people: a line each, with the time it came in (UTC). */
export function formatConsole(view: ConsoleView): string {
  if (view.lines.length > 0) return formatLines(view);
  return `${view.mac} has printed nothing here since tinderbox was started. Debian's iPXE 2.0 for UEFI, the role rescue and
whatever sends syslog to this server do. What was recorded before: tinderbox machines ${view.mac}
`;
}

function formatLines({ lines, missed }: ConsoleView): string {
  const gap = missed > 0 ? [`(${missed} older lines are forgotten)`] : [];
  return [...gap, ...lines.map(formatLine)].map((line) => `${line}\n`).join('');
}

function formatLine({ at, program = '', severity, text, reasons }: ConsoleLineView): string {
  const time = new Date(at).toISOString().slice(11, 23);
  const bad = isUrgent(severity) ? `${severity.toUpperCase()}: ` : '';
  const first = `${time}  ${plain(program).padEnd(8)}  ${bad}${plain(text)}`;
  return [first, ...reasons.map((reason) => `${' '.repeat(24)}${plain(reason)}`)].join('\n');
}
