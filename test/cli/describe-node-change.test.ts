import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { runCli } from '../../src/cli/program.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const CLUSTER = 'cluster: { apiServer: "https://10.77.0.1:6443" }\n';

async function run(session: Partial<BootSession> | undefined, argv: readonly string[], cluster = CLUSTER) {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-node-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const files = {
    'tinderbox.yaml': `network: { interface: nowhere0 }\n${cluster}`,
    'profiles/machines.yaml': 'default: worker\n',
    'profiles/worker/role.yaml': 'boot: { kernel: /assets/vmlinuz }\nidentity: worker\n',
    'profiles/edge/role.yaml': 'boot: { kernel: /assets/vmlinuz }\nidentity: worker\n',
    'profiles/rescue/role.yaml': 'boot: { kernel: /assets/vmlinuz }\n',
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  if (session !== undefined) {
    const store = await openStore({ file: join(folder, 'var/tinderbox.db'), durability: 'process' });
    const times = { openedAt: 1, updatedAt: 1, stageTimes: {} };
    await store.appendHistory({
      machines: [{ mac: MAC, firstSeen: 1, lastSeen: 1 }],
      sessions: [{ id: 1, mac: MAC, stage: 'ready', ...times, ...session }],
      events: [],
    });
    await store.close();
  }
  let out = '';
  const write = (text: string) => void (out += text);
  const config = ['--config', join(folder, 'tinderbox.yaml')];
  const code = await runCli([...argv, ...config], { out: write, err: () => undefined });
  t.equal(code, 0);
  return out;
}

const registration = { role: 'worker', nodeName: 'node-1', marks: 'm' };

t.test('what becomes of the Node of a machine that is to be something else is one line', async (t) => {
  const line = /\.\nIts Node node-1 is deleted at its next boot, since .*was worker and is edge now; .*\n$/;
  t.match(await run({ registration }, ['assign', MAC, 'edge']), line);
  t.match(await run({ registration }, ['approve', MAC, '--role', 'edge']), /Its Node node-1 is deleted/);
  const renamed = await run({ registration }, ['assign', MAC, 'worker', '--hostname', 'node-7']);
  t.match(renamed, /since .*was called node-1 and is called node-7 now/);
  const before = { stage: 'script', registration: { ...registration, role: 'edge' } } as const;
  t.match(await run({ ...before, formerRegistration: registration }, ['assign', MAC, 'edge']), line);
});

t.test('where its Node stays, or there is none, nothing is said of it', async (t) => {
  const quiet: readonly (readonly [string, Partial<BootSession> | undefined, string, string?])[] = [
    ['the same role', { registration }, 'worker'],
    ['a look from memory', { registration }, 'rescue'],
    ['never seen', undefined, 'edge'],
    ['never got its configuration', { registration, stage: 'script' }, 'edge'],
    ['no cluster', { registration }, 'edge', ''],
  ];
  for (const [name, session, role, cluster] of quiet) {
    t.notMatch(await run(session, ['assign', MAC, role], cluster), /Node/, name);
  }
});
