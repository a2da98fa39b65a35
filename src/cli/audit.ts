import type { Command } from 'commander';
import type { AuditRecord } from '../admin/audit-api.ts';
import { openOfflineClient } from '../offline-client.ts';
import { type CliContext, readConfig } from './context.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';
import { formatColumns } from './format-machine-table.ts';
import { plain } from './format-timeline.ts';

const HELP = `
What was changed through Tinderbox, by whom, and what was refused them; failed attempts to sign in; and edits of profiles/,
which \`assign\` and \`approve\` in a terminal make, too, without who it was. The newest come first.

Examples:
  $ sudo tinderbox audit
  $ sudo tinderbox audit --limit 500 --json`;

const MOST = 1_000;

export function addAuditCommand(program: Command, context: CliContext): void {
  program
    .command('audit')
    .description('who changed what')
    .option('--limit <number>', `so many, up to ${MOST}`, '50')
    .option('--json', 'print them as JSON')
    .addHelpText('after', HELP)
    .action(async ({ limit: text, json }: { limit: string; json?: boolean }, command: Command) => {
      const limit = /^\d{1,4}$/.test(text) ? Number(text) : 0;
      if (limit < 1 || limit > MOST) throw usageError(`'${text}' is no number from 1 to ${MOST}`);
      const config = await readConfig(command, context);
      const daemon = await findDaemon(config);
      const page = { limit, offset: 0 };
      const { records } = await (daemon === undefined ? readOffline(config, page) : daemon.audit(page));
      context.out(json === true ? `${JSON.stringify(records, null, 2)}\n` : formatAudit(records));
    });
}

async function readOffline(
  config: Parameters<typeof openOfflineClient>[0],
  page: { readonly limit: number; readonly offset: number },
) {
  await using client = await openOfflineClient(config);
  return client.audit(page);
}

const HEADINGS = ['TIME', 'WHO', 'WHAT', 'TARGET', 'OUTCOME', 'DETAIL'] as const;

export function formatAudit(records: readonly AuditRecord[]): string {
  if (records.length === 0) return 'Nobody has changed anything yet.\n';
  const rows = records.map(({ at, actor, action, target, outcome, detail }) => [
    new Date(at).toISOString().replace(/\.\d+Z$/, 'Z'),
    plain(actor.address === undefined ? actor.name : `${actor.name} ${actor.address}`),
    plain(action),
    plain(target ?? '-'),
    outcome,
    plain(detail),
  ]);
  return formatColumns([HEADINGS, ...rows]);
}
