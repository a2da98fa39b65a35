import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { addBridge, createNamespace } from '../../src/lab/namespace.ts';
import { createSite, type Site, waitUntil } from './support/daemon-site.ts';
import { launchAsSystemd } from './support/launch-as-systemd.ts';

const namespace = await createNamespace('states');
t.teardown(() => namespace[Symbol.asyncDispose]());
await addBridge(namespace, 'br0', '10.77.0.1/24');

/** Milliseconds; half of it is between two signs of life. */
const WATCHDOG = 2_000;

const MANAGER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
print('', flush=True)
while True: print(json.dumps(s.recv(4096).decode()), flush=True)
`;

const HOLD_PORT = `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('0.0.0.0', 67)); print('held', flush=True); time.sleep(600)
`;

/** The service under somebody who listens as systemd does. */
async function startManaged(t: Test, site: Site) {
  const socket = `${site.folder}/notify`;
  const manager = spawn('python3', ['-c', MANAGER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.teardown(() => void manager.kill());
  let heard: readonly string[] = [];
  let text = '';
  manager.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
    heard = text
      .split('\n')
      .filter((line) => line.startsWith('"'))
      .map((line) => JSON.parse(line) as string);
  });
  await once(manager.stdout, 'data');
  const daemon = launchAsSystemd(namespace, {
    config: `${site.folder}/tinderbox.yaml`,
    environment: { NOTIFY_SOCKET: socket, WATCHDOG_USEC: String(WATCHDOG * 1000) },
  });
  t.teardown(async () => {
    daemon.signal('SIGKILL');
    await daemon.ended;
  });
  const count = (what: RegExp): number => heard.filter((line) => what.test(line)).length;
  return {
    daemon,
    heard: () => heard,
    count,
    hears: (what: RegExp, times = 1) =>
      waitUntil(`${what} is heard`, () => count(what) >= times, {
        limit: 60_000,
        unless: daemon.ended.then(({ stdout, stderr }) => `it ended: ${stdout}${stderr}`),
      }),
  };
}

await t.test('systemd hears when it is ready, alive, reloading, and stopping', async (t) => {
  await using site = await createSite(namespace);
  const { daemon, heard, hears, count } = await startManaged(t, site);
  await hears(/^READY=1$/m);
  t.match(daemon.log(), '"msg":"ready"', 'not before everything serves');
  t.match(
    heard().find((line) => line.startsWith('READY=1')),
    'STATUS=server on br0: 0 machines booting, 0 ready',
  );
  await hears(/^WATCHDOG=1$/m, 3);
  daemon.signal('SIGHUP');
  await hears(/^READY=1$/m, 2);
  const order = heard().filter((line) => /^(?:READY|RELOADING)=1/.test(line));
  t.match(order[1], /^RELOADING=1\nMONOTONIC_USEC=\d+\n$/);
  t.equal(order.length, 3);
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
  await waitUntil('the last word is heard', () => count(/^STOPPING=1$/m) === 1);
});

await t.test('no sign of life comes from a service whose process stands still', async (t) => {
  await using site = await createSite(namespace);
  const { daemon, hears, count } = await startManaged(t, site);
  await hears(/^WATCHDOG=1$/m, 2);
  daemon.signal('SIGSTOP');
  await waitUntil('it stands still', async () =>
    /^State:\tT/m.test(await namespace.run(['cat', `/proc/${daemon.pid}/status`])),
  );
  const before = count(/^WATCHDOG=1$/m);
  await new Promise((resolve) => setTimeout(resolve, WATCHDOG));
  t.equal(count(/^WATCHDOG=1$/m), before);
  daemon.signal('SIGCONT');
  await hears(/^WATCHDOG=1$/m, before + 1);
});

await t.test(
  'what only the operator can mend ends it with 78, and systemctl status has the reason',
  async (t) => {
    await using site = await createSite(namespace, { 'tinderbox.yaml': 'network: { interfaze: br0 }\n' });
    const { daemon, heard } = await startManaged(t, site);
    const { code, stderr } = await daemon.ended;
    t.equal(code, 78);
    t.match(stderr, /interfaze/);
    await waitUntil('the reason is heard', () => heard().length > 0);
    t.match(heard().at(-1), /^STATUS=failed: .*interfaze/);
  },
);

await t.test('so does a role that does not load, but not a port that is taken', async (t) => {
  await using broken = await createSite(namespace, { 'profiles/worker/role.yaml': 'boot: [\n' });
  t.equal((await (await startManaged(t, broken)).daemon.ended).code, 78);

  const holder = namespace.spawn(['python3', '-c', HOLD_PORT], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(holder.stdout as NodeJS.ReadableStream, 'data');
  await using site = await createSite(namespace);
  const { code, stderr } = await (await startManaged(t, site)).daemon.ended;
  t.equal(code, 1, stderr);
  holder.kill();
});

await t.test(
  'nor a file that machines fetch and that is not there: its disk may be mounted late',
  async (t) => {
    await using site = await createSite(namespace, { 'assets/vmlinuz': undefined });
    const { code, stderr } = await (await startManaged(t, site)).daemon.ended;
    t.equal(code, 1, stderr);
    t.match(stderr, /vmlinuz/);
  },
);

await t.test('without a manager the exit codes are those of every command', async (t) => {
  await using site = await createSite(namespace, { 'tinderbox.yaml': undefined });
  t.equal((await site.launch('--config', `${site.folder}/tinderbox.yaml`).ended).code, 1);
});
