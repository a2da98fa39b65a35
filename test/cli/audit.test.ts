import { join } from 'node:path';
import t from 'tap';
import type { AuditRecord } from '../../src/admin/audit-api.ts';
import { formatAudit } from '../../src/cli/audit.ts';
import type { Page } from '../../src/store/port.ts';
import { openStore } from '../../src/store/sqlite-store.ts';
import { startBeside } from '../support/cli-beside-admin.ts';
import { MAC, T0 } from '../support/start-admin.ts';

const RECORDS: readonly AuditRecord[] = [
  {
    at: T0 + 1_500,
    actor: { name: 'token', via: 'token', address: '10.0.0.9' },
    action: 'login',
    outcome: 'refused',
    detail: 'a wrong \u001b[31mtoken\n',
  },
  {
    at: T0,
    actor: { name: 'alice', via: 'socket' },
    action: 'assign',
    target: MAC,
    outcome: 'done',
    detail: 'role: none → worker',
  },
];

t.test('a row a change, without what a terminal would obey', (t) => {
  t.equal(
    formatAudit(RECORDS),
    'TIME                  WHO             WHAT    TARGET             OUTCOME  DETAIL\n' +
      '2023-11-14T22:13:21Z  token 10.0.0.9  login   -                  refused  a wrong [31mtoken\n' +
      `2023-11-14T22:13:20Z  alice           assign  ${MAC}  done     role: none → worker\n`,
  );
  t.equal(formatAudit([]), 'Nobody has changed anything yet.\n');
  t.end();
});

t.test('the daemon is asked for as many as are wanted', async (t) => {
  const asked: Page[] = [];
  const site = await startBeside(t, {
    audit: {
      record: () => undefined,
      async list(page) {
        asked.push(page);
        return { records: RECORDS };
      },
    },
  });
  t.same(await site.run('audit'), { code: 0, stdout: formatAudit(RECORDS), stderr: '' });
  t.same(JSON.parse((await site.run('audit', '--limit', '1000', '--json')).stdout), RECORDS);
  t.same(asked, [
    { limit: 50, offset: 0 },
    { limit: 1_000, offset: 0 },
  ]);
  for (const limit of ['0', '1001', '-1', '1.5', 'all', '']) {
    t.match(
      await site.run('audit', `--limit=${limit}`),
      { code: 2, stdout: '', stderr: /is no number from 1 to 1000/ },
      limit,
    );
  }
});

t.test('where no daemon runs, what its database holds is shown', async (t) => {
  const site = await startBeside(t);
  await site.server.stop({ graceMs: 0 });
  t.match(await site.run('audit'), { code: 1, stdout: '', stderr: /^tinderbox: / });
  const store = await openStore({ file: join(site.dir, 'var/tinderbox.db'), durability: 'process' });
  await store.appendAudit(RECORDS.toReversed());
  await store.close();
  t.same(JSON.parse((await site.run('audit', '--json', '--limit', '1')).stdout), RECORDS.slice(0, 1));
});
