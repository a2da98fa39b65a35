import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { loadLibc } from '../../src/net/libc.ts';
import { createNotifier } from '../../src/net/notify-systemd.ts';

/** Prints each datagram as JSON; `@` begins an abstract name. */
const LISTENER = `
import json, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace('@', '\\0'))
print('bound', flush=True)
while True: print(json.dumps(s.recv(4096).decode()), flush=True)
`;

for (const kind of ['a path', 'an abstract name'])
  t.test(`each state reaches a manager that listens on ${kind}`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tinderbox-notify-'));
    const socket = kind === 'a path' ? join(folder, 'notify') : `@tinderbox-${process.pid}`;
    const listener = spawn('python3', ['-c', LISTENER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => {
      listener.kill();
      rmSync(folder, { recursive: true });
    });
    const lines = createInterface({ input: listener.stdout })[Symbol.asyncIterator]();
    const heard = async (): Promise<unknown> => JSON.parse((await lines.next()).value as string);
    t.equal((await lines.next()).value, 'bound');

    const notifier = createNotifier({
      socket,
      send: loadLibc().sendToUnixSocket,
      monotonic: () => 1_234_567n,
      failed: (reason) => t.fail(reason),
    });
    notifier.ready('proxy on eth1');
    t.equal(await heard(), 'READY=1\nSTATUS=proxy on eth1\n');
    notifier.status('proxy on eth1');
    notifier.status('one\nREADY=1');
    t.equal(
      await heard(),
      'STATUS=one READY=1\n',
      'the same again is not sent, and a line break says nothing',
    );
    notifier.reloading();
    t.equal(await heard(), 'RELOADING=1\nMONOTONIC_USEC=1234567\n');
    notifier.alive();
    t.equal(await heard(), 'WATCHDOG=1\n');
    notifier.extend(90_000);
    t.equal(await heard(), 'EXTEND_TIMEOUT_USEC=90000000\n');
    notifier.stopping();
    t.match(await heard(), /^STOPPING=1\n/);
  });

t.test('without a manager nothing is sent', async (t) => {
  const notifier = createNotifier({
    socket: undefined,
    send: () => t.fail('sent'),
    monotonic: () => 0n,
    failed: (reason) => t.fail(reason),
  });
  notifier.ready('x');
  notifier.alive();
  t.pass();
});

t.test('a manager that cannot be reached is said once', async (t) => {
  const reasons: string[] = [];
  const notifier = createNotifier({
    socket: '/no/such/socket',
    send: loadLibc().sendToUnixSocket,
    monotonic: () => 0n,
    failed: (reason) => void reasons.push(reason),
  });
  notifier.ready('x');
  notifier.alive();
  t.strictSame(reasons, ['sendto: ENOENT']);
});
