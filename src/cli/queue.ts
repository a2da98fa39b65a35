import type { Command } from 'commander';
import type { QueueView } from '../admin/queue-api.ts';
import { aboutTime, ordinal } from '../boot/describe-queue.ts';
import { formatAge } from '../boot/format-age.ts';
import { TinderboxError } from '../errors.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { findDaemon } from './find-daemon.ts';
import { formatBinarySize } from './format-binary-size.ts';
import { formatColumns } from './format-machine-table.ts';
import { plain } from './format-timeline.ts';

const HELP = `
So many machines load their kernel and initrds at once as http.queue.downloads of tinderbox.yaml says. The others wait, and
their screens say how many are before them; the oldest is the next. \`first\` lets a machine be the next.

Examples:
  $ sudo tinderbox queue
  $ sudo tinderbox queue first 52:54:00:12:34:56
  $ watch -n 2 sudo tinderbox queue`;

interface QueueFlags {
  readonly json?: boolean;
}

export function addQueueCommand(program: Command, context: CliContext): void {
  const queue = program
    .command('queue')
    .description('who waits for its turn to load, and who is to be the next')
    .option('--json', 'print it as JSON')
    .addHelpText('after', HELP)
    .action(async (flags: QueueFlags, command: Command) => {
      const view = await (await requireDaemon(command, context)).queue();
      context.out(flags.json === true ? `${JSON.stringify(view)}\n` : formatQueue(view, Date.now()));
    });
  queue
    .command('first')
    .description('let a machine that waits be the next')
    .argument('<mac>', 'the machine')
    .option('--json', 'print the queue as JSON')
    .addHelpText('after', '\nExample:\n  $ sudo tinderbox queue first 52:54:00:12:34:56')
    .action(async (macText: string, _flags: QueueFlags, command: Command) => {
      const mac = requireMac(macText);
      const view = await (await requireDaemon(command, context)).moveUp(mac);
      const { json } = command.optsWithGlobals<QueueFlags>();
      context.out(json === true ? `${JSON.stringify(view)}\n` : `${mac} is the next\n`);
    });
}

async function requireDaemon(command: Command, context: CliContext) {
  const daemon = await findDaemon(await readConfig(command, context));
  if (daemon !== undefined) return daemon;
  throw new TinderboxError('unavailable', 'tinderbox is not running, so that nobody waits for it', {
    remedy: 'Start it: sudo systemctl start tinderbox, or sudo tinderbox serve.',
  });
}

const HEADINGS = ['TURN', 'MAC', 'HOSTNAME', 'ADDRESS', 'WAITS', 'STILL'] as const;

/** `now`: milliseconds since the epoch. */
export function formatQueue(view: QueueView, now: number): string {
  const { downloads, largerThan, counts, loading, waiting } = view;
  if (downloads === 0) return 'Nobody waits: http.queue.downloads of tinderbox.yaml is off.\n';
  const head = `${counts.loading} of at most ${downloads} load what is larger than ${formatBinarySize(largerThan)}; ${counts.waiting} wait\n`;
  const rows = [
    ...loading.map(({ mac, hostname, address, since, from }) => [
      'loads',
      mac ?? '-',
      plain(hostname ?? '-'),
      address ?? '-',
      formatAge(from - since),
      '-',
    ]),
    ...waiting.map(({ position, mac, hostname, address, since, estimate }) => [
      ordinal(position),
      mac ?? '-',
      plain(hostname ?? '-'),
      address ?? '-',
      formatAge(now - since),
      estimate === undefined ? '-' : aboutTime(estimate),
    ]),
  ];
  const more = counts.waiting - waiting.length;
  return [
    head,
    ...(rows.length === 0 ? [] : [formatColumns([HEADINGS, ...rows])]),
    ...(more > 0 ? [`and ${more} more\n`] : []),
  ].join('');
}
