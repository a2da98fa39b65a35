import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { NetworkNamespace } from '../../src/lab/namespace.ts';
import { createLab, runPerfdhcp, startDaemon } from './support/dhcp-lab.ts';

const TAKE_LEASES = fileURLToPath(new URL('support/take-leases.ts', import.meta.url));
const MACHINES = 400;
const ROUNDS = 4;

function configOf(durability: 'disk' | 'process'): string {
  return `network: { interface: br0 }
dhcp:
  mode: server
  probe: off
  range: 10.77.4.0-10.77.63.255
  leaseTime: 1h
  leaseDurability: ${durability}
`;
}

/** MAC → addresses that were promised to it, in order. */
type Promises = Map<string, string[]>;

function note(promises: Promises, output: string): void {
  for (const line of output.split('\n')) {
    const [mac, address] = line.split(' ');
    if (mac !== undefined && address !== undefined)
      promises.set(mac, [...(promises.get(mac) ?? []), address]);
  }
}

/** `onLease` is called with the number of promises so far, as they are made. */
async function takeLeases(
  client: NetworkNamespace,
  firstMac: number,
  count: number,
  onLease: (leases: number) => void = () => undefined,
): Promise<string> {
  const argv = [process.execPath, TAKE_LEASES, String(firstMac), String(count), '40', 'eth0'];
  const child = client.spawn(argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
    onLease(output.split('\n').length - 1);
  });
  await once(child, 'close');
  return output;
}

for (const durability of ['disk', 'process'] as const) {
  await t.test(`after kill -9 no address is given twice (leaseDurability: ${durability})`, async (test) => {
    await using lab = await createLab({ address: '10.77.0.1/16' });
    await using daemon = await startDaemon(lab.network.namespace, {
      config: configOf(durability),
      address: '10.77.0.1',
    });
    const client = await lab.addClient('10.77.0.3/16');
    const promises: Promises = new Map();
    for (let round = 0; round < ROUNDS; round++) {
      // In the middle of the exchanges, each round at another moment.
      const moment = Promise.withResolvers<number>();
      const taking = takeLeases(client, 0x525400000000 + round * MACHINES, MACHINES, (leases) => {
        if (leases >= 20 + round * 60) moment.resolve(leases);
      });
      const before = await Promise.race([moment.promise, taking.then(() => MACHINES)]);
      await daemon.kill();
      test.ok(before < MACHINES, `killed after ${before} leases`);
      await daemon.restart();
      note(promises, await taking);
    }
    test.equal(promises.size, ROUNDS * MACHINES, 'every machine got an address in the end');
    // And all of them once more, after a last kill: whoever had an address has it still.
    await daemon.kill();
    await daemon.restart();
    note(promises, await takeLeases(client, 0x525400000000, ROUNDS * MACHINES));
    const moved = [...promises].filter(([, addresses]) => new Set(addresses).size > 1);
    test.strictSame(moved.slice(0, 5), [], 'nobody lost an address that was promised');
    const owners = new Map<string, string>();
    const shared: string[] = [];
    for (const [mac, addresses] of promises) {
      for (const address of new Set(addresses)) {
        const owner = owners.get(address);
        if (owner !== undefined && owner !== mac) shared.push(`${address}: ${owner} and ${mac}`);
        owners.set(address, mac);
      }
    }
    test.strictSame(shared.slice(0, 5), [], 'no address was given to two machines');
  });
}

await t.test('perfdhcp sees no address twice over a kill and a restart', async (test) => {
  await using lab = await createLab({ address: '10.77.0.1/16' });
  await using daemon = await startDaemon(lab.network.namespace, {
    config: configOf('disk'),
    address: '10.77.0.1',
  });
  const client = await lab.addClient('10.77.0.3/16');
  const load = runPerfdhcp(client, [
    '-r',
    '300',
    '-R',
    '100000',
    '-p',
    '6',
    '-u',
    '-W',
    '1000000',
    '-l',
    '10.77.0.3',
    '10.77.0.1',
  ]);
  await delay(2000);
  await daemon.kill();
  await daemon.restart();
  const report = await load;
  test.ok(report.acks > 300, report.text);
  test.match(report.text, /non unique addresses: 0/);
});
