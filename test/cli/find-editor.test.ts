import t from 'tap';
import { TinderboxError } from '../../src/errors.ts';
import { MACHINES, startBeside } from '../support/cli-beside-admin.ts';
import { MAC } from '../support/start-admin.ts';

const ENTRY = `${MACHINES}machines:\n  ${MAC}: { role: worker }\n`;

const refuse = async () => {
  throw new TinderboxError('refused', 'it would not boot', { remedy: 'Give it an address.' });
};
const cannot = async () => {
  throw new TinderboxError('not-writable', 'machines.yaml cannot be written: EROFS');
};

t.test('a daemon that serves other profiles is not asked to change them', async (t) => {
  const site = await startBeside(t, { catalogFile: '/etc/elsewhere/profiles/machines.yaml' });
  t.match(await site.run('assign', MAC, 'worker'), { code: 0, stderr: '' });
  t.equal(await site.machines(), ENTRY);
  t.match(await site.run('approve', MAC), { code: 0, stdout: /is approved already/ });
  t.match(await site.run('forget', MAC), { code: 0, stdout: /no entry in machines\.yaml any more/ });
  t.equal(await site.machines(), `${MACHINES}machines:\n`);
  t.same(site.records, []);
});

t.test('what the daemon refuses is said with its remedy, and not done beside it', async (t) => {
  const site = await startBeside(t, { assign: refuse, approve: refuse, forget: refuse });
  for (const argv of [
    ['assign', MAC, 'worker'],
    ['approve', MAC],
    ['forget', MAC],
  ]) {
    t.same(
      await site.run(...argv),
      { code: 1, stdout: '', stderr: 'tinderbox: it would not boot\n    Give it an address.\n' },
      argv.join(' '),
    );
  }
  t.equal(await site.machines(), MACHINES);
  t.same(
    site.records.map(({ action, outcome }) => `${action} ${outcome}`),
    ['assign refused', 'approve refused', 'forget refused'],
  );
});

t.test('what only the daemon may not write is edited beside it, and that is said', async (t) => {
  let asked = 0;
  const site = await startBeside(t, {
    assign: cannot,
    approve: cannot,
    async forget(mac) {
      if (asked++ === 0) return cannot();
      return { mac, entry: false, place: true, history: 'forgotten', nodes: [] };
    },
  });
  const said = /could not write it, .*: machines\.yaml cannot be written: EROFS/;
  t.match(await site.run('assign', MAC, 'worker'), { code: 0, stdout: /is now worker/, stderr: said });
  t.equal(await site.machines(), ENTRY);
  t.match(await site.run('approve', MAC, '--hostname', 'n1'), {
    code: 0,
    stdout: /is approved: n1/,
    stderr: said,
  });
  const { code, stdout, stderr } = await site.run('forget', MAC, '--json');
  t.match({ code, stderr }, { code: 0, stderr: said });
  t.same(JSON.parse(stdout), { mac: MAC, entry: true, place: true, history: 'forgotten', nodes: [] });
  t.equal(await site.machines(), `${MACHINES}machines:\n`);
});

t.test('approve and forget reach the daemon too, and print what they did before', async (t) => {
  const site = await startBeside(t, {
    approve: async ({ mac, role = 'worker', hostname = 'node-1' }) => ({
      mac,
      role,
      hostname,
      changed: true,
      seen: false,
      file: '/m.yaml',
    }),
  });
  t.match(await site.run('approve', MAC), {
    code: 0,
    stdout: new RegExp(`^${MAC} is approved: node-1, role worker; .*\\nNote: ${MAC} was never seen here`),
  });
  t.same(JSON.parse((await site.run('approve', MAC, '--hostname', 'n1', '--json')).stdout), {
    mac: MAC,
    role: 'worker',
    hostname: 'n1',
    changed: true,
    seen: false,
  });
  t.match(await site.run('forget', MAC), { code: 0, stdout: /Its history is forgotten/ });
  t.equal(await site.machines(), MACHINES, 'the command itself writes nothing');
  t.same(
    site.records.map(({ action, actor }) => `${action} ${actor.name}`),
    ['approve alice', 'approve alice', 'forget alice'],
  );
});
