import { join } from 'node:path';
import t from 'tap';
import { DATABASE_FILE } from '../../src/preflight-state.ts';
import { openStore } from '../../src/store/sqlite-store.ts';
import { MACHINES, startBeside } from '../support/cli-beside-admin.ts';
import { MAC } from '../support/start-admin.ts';

t.test('the running daemon makes the edit, in the name of who asked', async (t) => {
  const asked: unknown[] = [];
  const site = await startBeside(t, {
    async assign(request) {
      asked.push(request);
      const changed = asked.length === 1;
      return { mac: request.mac, before: 'hold', role: `${request.role}`, changed, file: '/m.yaml' };
    },
  });
  const argv = ['assign', MAC.toUpperCase(), 'worker', '--hostname', 'n1', '--address', '10.77.0.9'];
  t.same(await site.run(...argv), {
    code: 0,
    stdout: `${MAC} is now worker (was hold); it takes effect at its next boot.\n`,
    stderr: '',
  });
  t.same(asked, [{ mac: MAC, role: 'worker', hostname: 'n1', address: '10.77.0.9' }]);
  t.equal(await site.machines(), MACHINES, 'the command itself writes nothing');
  t.match(await site.run('assign', MAC, 'worker'), { code: 0, stdout: `${MAC} is worker already.\n` });
  t.same(JSON.parse((await site.run('assign', MAC, 'worker', '--json')).stdout), {
    mac: MAC,
    before: 'hold',
    after: 'worker',
    changed: false,
  });
  const actor = { name: 'alice', via: 'socket' };
  t.match(site.records, [
    { action: 'assign', target: MAC, actor, outcome: 'done', detail: 'role: hold → worker' },
    { action: 'assign', actor, outcome: 'done', detail: 'role: worker: its entry said so already' },
    { action: 'assign', actor },
  ]);
});

t.test('where no daemon runs, the command makes the edit', async (t) => {
  const site = await startBeside(t);
  await site.server.stop({ graceMs: 0 });
  const { stdout, ...rest } = await site.run('assign', MAC, 'worker', '--json');
  t.same(rest, { code: 0, stderr: '' });
  t.same(JSON.parse(stdout), { mac: MAC, after: 'worker', changed: true });
  t.equal(await site.machines(), `${MACHINES}machines:\n  ${MAC}: { role: worker }\n`);
  t.match(await site.run('assign', MAC, 'workr'), { code: 1, stderr: /Nothing was written/ });
  t.same(site.records, []);
});

t.test('a role for the next boot alone keeps what the machine is, and can be taken back', async (t) => {
  const asked: unknown[] = [];
  const site = await startBeside(t, {
    async assign({ mac, role, once }) {
      asked.push({ role, once });
      const pending = once === true && role !== undefined ? { once: role } : {};
      return { mac, before: 'local', role: 'local', ...pending, changed: true, file: '/m.yaml' };
    },
  });
  t.match(await site.run('assign', MAC, 'worker', '--once'), {
    code: 0,
    stdout: `${MAC} boots worker at its next boot, and is local again once that has reported success.\n`,
  });
  t.match(await site.run('assign', MAC, '--no-once'), {
    code: 0,
    stdout: `${MAC} boots nothing once; it is local.\n`,
  });
  t.same(asked, [
    { role: 'worker', once: true },
    { role: undefined, once: false },
  ]);
  for (const argv of [[], ['--once']]) {
    t.match(await site.run('assign', MAC, ...argv), { code: 2, stderr: /say which role/ });
  }
  t.match(site.records, [{ detail: 'role: local, once: worker' }, { detail: 'role: local' }]);
});

t.test(
  'without a daemon it is written too, unless it was booted before: only a daemon can forget that',
  async (t) => {
    const site = await startBeside(t);
    const use = { mac: MAC, role: 'worker', since: 1, tries: 1, doneAt: 2 };
    await site.server.stop({ graceMs: 0 });
    t.match(await site.run('assign', MAC, 'worker', '--once'), { code: 0 });
    t.equal(await site.machines(), `${MACHINES}machines:\n  ${MAC}: { once: worker }\n`);
    t.match(await site.run('assign', MAC, '--no-once'), { code: 0 });
    t.equal(await site.machines(), `${MACHINES}machines:\n  ${MAC}: {}\n`);
    const store = await openStore({ file: join(site.dir, 'var', DATABASE_FILE), durability: 'process' });
    await store.putOnceUse(use);
    await store.close();
    t.match(await site.run('assign', MAC, 'worker', '--once'), {
      code: 1,
      stderr: /has booted worker by its `once:` before: only the running daemon/,
    });
  },
);
