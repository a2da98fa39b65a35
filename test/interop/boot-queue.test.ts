import t from 'tap';
import type { QueueView } from '../../src/admin/queue-api.ts';
import { addAddress, addBridge, addVethPair, createNamespace, joinBridge } from '../../src/lab/namespace.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import { curl } from './support/curl.ts';
import { CONFIG, createSite, type Site } from './support/daemon-site.ts';

const namespace = await createNamespace('queue');
const machine = await createNamespace('machine');
t.teardown(() => Promise.all([machine[Symbol.asyncDispose](), namespace[Symbol.asyncDispose]()]));
await addBridge(namespace, 'br0', '10.77.0.1/24');
await addVethPair({ namespace, name: 'port0' }, { namespace: machine, name: 'eth0' });
await joinBridge(namespace, 'port0', 'br0');
const ADDRESSES = ['10.77.0.50', '10.77.0.51', '10.77.0.52'] as const;
for (const address of ADDRESSES) await addAddress(machine, 'eth0', `${address}/24`);

const [FIRST, SECOND, STRANGER] = ADDRESSES;
const A = '52:54:00:12:36:0a';
const B = '52:54:00:12:36:0b';
const SERVER = 'http://10.77.0.1';
const QUEUE = `${CONFIG}http: { queue: { downloads: 1, largerThan: 300000 } }\n`;

const ask = (address: string, mac: string) =>
  curl(machine, `${SERVER}/ipxe?mac=${mac}&platform=efi`, '--interface', address);
const fetchFile = (address: string, name: string, ...args: readonly string[]) =>
  curl(machine, `${SERVER}/assets/${name}`, '--interface', address, '--output', '/dev/null', ...args);
const queueOf = async (site: Site): Promise<QueueView> =>
  JSON.parse((await site.run('queue', '--json')).stdout) as QueueView;

await t.test('curl is told when to come back, does, and gets the file when it has its turn', async (t) => {
  await using site = await createSite(namespace, { 'tinderbox.yaml': QUEUE });
  await site.serve();
  t.match((await ask(FIRST, A)).body, /^kernel http/m);
  t.match((await ask(SECOND, B)).body, /^echo Tinderbox: 1st in the queue$/m);

  const told = await curl(machine, `${SERVER}/assets/initrd.gz`, '--interface', STRANGER, '--include');
  t.equal(told.status, 503);
  t.match(told.body, /^retry-after: \d+\r$/im);
  t.match(told.body, /this download is 2nd in the queue; ask again in \d+ s\n$/);
  const part = await fetchFile(STRANGER, 'initrd.gz', '--range', '0-99999');
  t.equal(part.status, 206, 'a small part of it waits for nobody');
  t.equal((await fetchFile(STRANGER, 'initrd.gz', '--range', '100-')).status, 503, 'and a large one does');
  t.equal((await fetchFile(STRANGER, 'vmlinuz')).status, 200, 'as a small file');
  t.equal((await fetchFile(STRANGER, 'initrd.gz', '--head')).status, 200, 'or no file at all');

  const patient = fetchFile(STRANGER, 'initrd.gz', '--retry', '20', '--fail', '--max-time', '60');
  t.match(await queueOf(site), {
    downloads: 1,
    largerThan: 300_000,
    counts: { loading: 1, waiting: 2 },
    loading: [{ mac: A, address: FIRST, downloads: 0 }],
    waiting: [
      { mac: B, position: 1 },
      { address: STRANGER, position: 2 },
    ],
  });
  for (const [address, mac] of [
    [FIRST, A],
    [SECOND, B],
  ] as const) {
    t.match((await ask(address, mac)).body, /^kernel http/m, mac);
    t.equal((await fetchFile(address, 'vmlinuz')).status, 200);
    t.equal((await fetchFile(address, 'initrd.gz')).status, 200);
  }
  t.equal((await patient).status, 200);
  t.match(await queueOf(site), { counts: { loading: 0, waiting: 0 } });
  const { events } = JSON.parse((await site.run('machines', B, '--json')).stdout) as {
    events: readonly BootEvent[];
  };
  t.match(
    events.filter(({ kind }) => kind === 'http.script').map(({ answered }) => answered),
    ['waits for its turn, 1st of 1', /^the script of role worker/],
  );
});

await t.test('an operator moves a machine up, and the trail says so', async (t) => {
  await using site = await createSite(namespace, { 'tinderbox.yaml': QUEUE });
  const daemon = await site.serve();
  for (const [address, mac] of [
    [FIRST, A],
    [SECOND, B],
    [STRANGER, '52:54:00:12:36:0c'],
  ] as const) {
    await ask(address, mac);
  }
  t.match(
    (await site.run('queue', 'first', '52:54:00:12:36:0c')).stdout,
    /^52:54:00:12:36:0c is the next\n$/,
  );
  t.match((await ask(STRANGER, '52:54:00:12:36:0c')).body, /Tinderbox: 1st in the queue/);
  t.match(
    (await site.run('queue')).stdout,
    /^1 of at most 1 load [^]*\n1st +52:54:00:12:36:0c [^]*\n2nd +52:54:00:12:36:0b /,
  );
  const failed = await site.run('queue', 'first', A);
  t.equal(failed.code, 1);
  t.match(failed.stderr, /does not wait in the boot queue\n.*tinderbox queue/);
  t.match(JSON.parse((await site.run('audit', '--json')).stdout), [
    { action: 'queue-first', target: A, outcome: 'refused' },
    { action: 'queue-first', target: '52:54:00:12:36:0c', outcome: 'done' },
  ]);
  t.match((await site.run('machines')).stdout, /52:54:00:12:36:0b .*, waiting 2nd /);

  daemon.signal('SIGTERM');
  await daemon.ended;
  t.equal((await site.run('queue')).code, 1, 'nobody waits for a daemon that is not there');
  await site.serve();
  t.match((await ask(SECOND, B)).body, /^kernel http/m, 'the queue is who asks');
  t.match((await ask(STRANGER, '52:54:00:12:36:0c')).body, /Tinderbox: 1st in the queue/);
});
