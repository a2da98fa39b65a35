import type { Command } from 'commander';
import { readTerminalEnvironment } from '../config/terminal-environment.ts';
import { TinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import { type CliContext, readConfig } from './context.ts';
import { drawFleet } from './draw-fleet.ts';
import { findDaemon } from './find-daemon.ts';
import { type FleetFilter, type FleetRow, matchesFilter, orderRows } from './fleet-rows.ts';
import { type FollowFleetOptions, followFleet } from './follow-fleet.ts';
import { createFleetPrinter } from './print-fleet-changes.ts';
import { openTerminalScreen } from './terminal-screen.ts';

const HELP = `
Machines that want attention stand first: waiting for approval, failed, stalled; then those that boot, those that are
up, and those that never booted. Into a pipe, a file or a terminal that cannot move its cursor it prints a line for each
change. It goes on when the daemon is restarted. q or Ctrl-C ends it.

Examples:
  $ sudo tinderbox watch
  $ sudo tinderbox watch --role worker --stalled
  $ sudo tinderbox watch --json | jq .mac`;

/** Milliseconds between two redraws, and how often ages are brought up to date. */
const REDRAW = 200;
const TICK = 1_000;

interface WatchFlags {
  readonly role?: string;
  readonly stalled?: boolean;
  readonly json?: boolean;
}

export function addWatchCommand(program: Command, context: CliContext): void {
  program
    .command('watch')
    .description('the fleet, live')
    .option('--role <role>', 'only machines of this role')
    .option('--stalled', 'only machines that are stalled or failed')
    .option('--json', 'print each change as one line of JSON')
    .addHelpText('after', HELP)
    .action(async (flags: WatchFlags, command: Command) => {
      const config = await readConfig(command, context);
      const connect = () => findDaemon(config);
      if ((await connect()) === undefined) {
        throw new TinderboxError(
          'unavailable',
          'tinderbox is not running: nothing happens that could be watched',
          {
            remedy: 'Start it: sudo systemctl start tinderbox. `tinderbox machines` shows what was.',
          },
        );
      }
      const stop = new AbortController();
      const onSignal = (): void => stop.abort();
      const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
      for (const signal of signals) process.once(signal, onSignal);
      // Who pipes us into `head` wants no more.
      process.stdout.once('error', onSignal);
      const filter: FleetFilter = {
        stalled: flags.stalled === true,
        ...(flags.role === undefined ? {} : { role: flags.role }),
      };
      try {
        const onScreen = process.stdout.isTTY && flags.json !== true && readTerminalEnvironment().moves;
        await (onScreen
          ? watchOnScreen(filter, connect, stop)
          : watchInLines(filter, connect, stop, flags, context));
      } finally {
        for (const signal of signals) process.off(signal, onSignal);
        process.stdout.off('error', onSignal);
      }
    });
}

async function watchInLines(
  filter: FleetFilter,
  connect: FollowFleetOptions['connect'],
  { signal }: AbortController,
  { json }: WatchFlags,
  { out }: CliContext,
): Promise<void> {
  const printer = createFleetPrinter({ filter, json: json === true, out, now: Date.now });
  await followFleet({ connect, signal, onRows: printer.rows, onTrouble: printer.trouble });
}

async function watchOnScreen(
  filter: FleetFilter,
  connect: FollowFleetOptions['connect'],
  stop: AbortController,
): Promise<void> {
  const environment = readTerminalEnvironment();
  let rows: ReadonlyMap<Mac, FleetRow> = new Map();
  let trouble: string | undefined = 'reading …';
  let drawing: NodeJS.Timeout | undefined;
  const drawSoon = (): void => {
    drawing ??= setTimeout(draw, REDRAW);
  };
  using screen = openTerminalScreen({
    output: process.stdout,
    input: process.stdin,
    onQuit: () => stop.abort(),
    onResize: drawSoon,
  });
  const words = [filter.role === undefined ? [] : `role ${filter.role}`, filter.stalled ? 'stalled' : []];
  function draw(): void {
    drawing = undefined;
    const shown = orderRows([...rows.values()].filter((row) => matchesFilter(row, filter)));
    const picture = {
      rows: shown,
      total: rows.size,
      filter: words.flat().join(', '),
      ...(trouble === undefined ? {} : { trouble }),
    };
    screen.draw(drawFleet(picture, { ...screen.size(), ...environment }, Date.now()));
  }
  draw();
  const ticks = setInterval(drawSoon, TICK);
  try {
    await followFleet({
      connect,
      signal: stop.signal,
      onRows(now) {
        rows = now;
        drawSoon();
      },
      onTrouble(text) {
        trouble = text;
        drawSoon();
      },
    });
  } finally {
    clearInterval(ticks);
    clearTimeout(drawing);
  }
}
