import { type Command, Option } from 'commander';
import type { LogView } from '../admin/api.ts';
import { parseDuration } from '../document/parse-units.ts';
import { TinderboxError } from '../errors.ts';
import { LOG_LEVELS, LOGGER_NAMES, type LoggerName, type LogLevel } from '../logger.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';

const HELP = `
Without flags: what is logged now. Changes hold at once, and end by themselves after an hour, or after --for; a restart
ends them too. At level debug a part logs each packet and request; a trace logs all those of one machine, whatever the
levels are: what it asked, what it was answered, and why. Secrets never get there.

Examples:
  $ sudo tinderbox log --trace 52:54:00:12:34:56 --for 10m
  $ sudo tinderbox log --level debug --part dhcp
  $ sudo tinderbox log --reset
  $ journalctl -u tinderbox -f                                the log of the service`;

/** Seconds: nobody means to leave it on for longer. */
const MOST = 7 * 86_400;

interface LogFlags {
  readonly level?: LogLevel;
  readonly part?: LoggerName;
  readonly trace?: string;
  readonly for?: string;
  readonly reset?: boolean;
  readonly json?: boolean;
}

export function addLogCommand(program: Command, context: CliContext): void {
  program
    .command('log')
    .description('what the daemon logs: levels, and the trace of a machine')
    .addOption(new Option('--level <level>', 'the least that is logged').choices(LOG_LEVELS))
    .addOption(
      new Option('--part <part>', 'of this part only').choices(
        LOGGER_NAMES.filter((name) => name !== 'trace'),
      ),
    )
    .option('--trace <mac>', 'log all that this machine asks')
    .option('--for <time>', 'until it ends by itself: 10m, 1h, up to 7d (default: 1h)')
    .option('--reset', 'back to what it started with; no traces')
    .option('--json', 'print it as JSON')
    .addHelpText('after', HELP)
    .action(async (flags: LogFlags, command: Command) => {
      const change = readChange(flags);
      const daemon = await findDaemon(await readConfig(command, context));
      if (daemon === undefined) {
        throw new TinderboxError('unavailable', 'tinderbox is not running, and logs nothing', {
          remedy: 'Start it: sudo systemctl start tinderbox, or sudo tinderbox serve --log-level debug.',
        });
      }
      const view = await (change === undefined ? daemon.log() : daemon.changeLog(change));
      context.out(flags.json === true ? `${JSON.stringify(view, null, 2)}\n` : formatLog(view, Date.now()));
    });
}

function readChange({ level, part, trace, for: time, reset }: LogFlags) {
  if (part !== undefined && level === undefined) throw usageError('--part goes with --level');
  if (time !== undefined && level === undefined && trace === undefined)
    throw usageError('--for goes with --level or --trace');
  if (reset !== true && level === undefined && trace === undefined) return undefined;
  return {
    seconds: readSeconds(time),
    ...(reset === true ? { reset } : {}),
    ...(level === undefined ? {} : { level }),
    ...(part === undefined ? {} : { part }),
    ...(trace === undefined ? {} : { trace: requireMac(trace) }),
  };
}

function readSeconds(text = '1h'): number {
  const seconds = parseDuration(text) ?? 0;
  if (seconds < 1 || seconds > MOST)
    throw usageError(`'${text}' is no time from 1s to 7d`, 'Write --for 10m.');
  return seconds;
}

/** Parts that were not changed share a line. */
export function formatLog({ level, parts, traces }: LogView, now: number): string {
  const left = (until: number): string => {
    const seconds = Math.max(0, Math.ceil((until - now) / 1000));
    return seconds < 120 ? `for another ${seconds} s` : `for another ${Math.ceil(seconds / 60)} min`;
  };
  const rows = [
    ['level', level, ''],
    ...parts.flatMap(({ part, level: own, until }) =>
      until === undefined ? [] : [[part, own, left(until)]],
    ),
    ...traces.map(({ mac, until }) => ['trace', mac, left(until)]),
  ];
  return rows
    .map(([name = '', value = '', time = '']) => `${name.padEnd(9)} ${value.padEnd(17)} ${time}`.trimEnd())
    .join('\n')
    .concat('\n');
}
