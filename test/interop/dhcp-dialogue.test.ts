import { join } from 'node:path';
import t from 'tap';
import { addAddress } from '../../src/lab/namespace.ts';
import { askDhcp } from './support/ask-dhcp-port.ts';
import { curl } from './support/curl.ts';
import { createLab, startDaemon } from './support/dhcp-lab.ts';

/* Messages that no client of the other tests sends, as they go over the wire. */

const SERVER = '10.77.0.1';

await t.test('declined reservations, stale addresses, strangers and an exhausted pool', async (test) => {
  await using lab = await createLab();
  await using daemon = await startDaemon(lab.network.namespace, {
    config:
      'network: { interface: br0 }\ndhcp: { mode: server, probe: off, range: 10.77.0.100-10.77.0.101 }\n',
    machines: 'machines:\n  52:54:00:00:00:77: { role: worker, address: 10.77.0.20 }\ndefault: worker\n',
    address: SERVER,
  });
  const client = await lab.addClient('10.77.0.3/24');
  const fixed = '52:54:00:00:00:77';
  const mine = { mac: fixed, server: SERVER, requested: '10.77.0.20' };
  const declined = await askDhcp(
    client,
    { type: 'discover', mac: fixed },
    { type: 'request', ...mine },
    { type: 'decline', ...mine },
    { type: 'discover', mac: fixed },
    { type: 'request', mac: fixed, server: SERVER, requested: '10.77.0.100' },
  );
  test.match(
    declined.map(({ type, address }) => `${type} ${address}`.trim()),
    ['offer 10.77.0.20', 'ack 10.77.0.20', 'silence', 'offer 10.77.0.100', 'ack 10.77.0.100'],
    'a declined reservation rests, and its machine has another address meanwhile',
  );

  const [stale, ...rest] = await askDhcp(
    client,
    {
      type: 'request',
      mac: '52:54:00:00:00:78',
      server: SERVER,
      requested: '10.77.0.101',
      ciaddr: '10.77.0.66',
    },
    { type: 'discover', mac: '52:54:00:00:00:79' },
    { type: 'discover', mac: '52:54:00:00:00:7a' },
    { type: 'request', mac: '52:54:00:00:00:80', requested: '10.77.0.50' },
    { type: 'request', mac: '52:54:00:00:00:80', ciaddr: '10.77.0.50' },
    { type: 'request', mac: '52:54:00:00:00:80', server: SERVER, requested: '10.77.0.50' },
    { type: 'request', mac: '52:54:00:00:00:80', requested: '10.99.0.50' },
  );
  test.match(
    stale,
    { type: 'ack', address: '10.77.0.101', ciaddr: '0.0.0.0' },
    'a stale ciaddr of a machine that selects us is not where the ACK goes',
  );
  test.same(
    rest.map(({ type }) => type),
    [
      'silence',
      'silence',
      // The clients of another server beside ours are left alone, unless they chose us or are elsewhere.
      'silence',
      'silence',
      'nak',
      'nak',
    ],
  );
  const said = daemon.log().match(/"msg":"no address is free in 10\.77\.0\.0\/24"/g) ?? [];
  test.equal(said.length, 1, 'an exhausted pool is said, and once');
  const socket = join(daemon.folder, 'var/admin.sock');
  const status = await curl(lab.network.namespace, 'http://tinderbox/api/v1/status', '--unix-socket', socket);
  test.match(JSON.parse(status.body), { counters: { 'dhcp.pool-exhausted': 2 } });
});

await t.test('a relay agent of two networks: an address in each for one machine', async (test) => {
  await using lab = await createLab();
  const subnets = ['10.81.0', '10.82.0']
    .map((network) => `{ network: ${network}.0/24, range: ${network}.100-${network}.109 }`)
    .join(', ');
  await using daemon = await startDaemon(lab.network.namespace, {
    config: `network: { interface: br0 }\ndhcp:\n  mode: server\n  probe: off\n  subnets: [${subnets}]\n`,
    address: SERVER,
  });
  const relay = await lab.addClient('10.77.0.3/24');
  await addAddress(relay, 'eth0', '10.81.0.1/24');
  await addAddress(relay, 'eth0', '10.82.0.1/24');
  for (const network of ['10.81.0.0/24', '10.82.0.0/24'])
    await lab.network.namespace.run(['ip', 'route', 'add', network, 'via', '10.77.0.3']);
  const left = { giaddr: '10.81.0.1', to: SERVER };
  const right = { giaddr: '10.82.0.1', to: SERVER };
  const mac = '52:54:00:00:00:81';
  const bind = { type: 'request', mac, server: SERVER } as const;
  const answers = await askDhcp(
    relay,
    { type: 'discover', mac, ...left },
    { type: 'discover', mac, ...right },
    { ...bind, requested: '10.81.0.100', ...left },
    { ...bind, requested: '10.82.0.100', ...right },
    { type: 'discover', mac, ...left },
    { type: 'discover', mac: '52:54:00:00:00:82', ...left },
    // From a network that is not configured.
    { type: 'discover', mac: '52:54:00:00:00:83', giaddr: '10.77.0.3', to: SERVER },
  );
  test.same(
    answers.map(({ type, address, heardOn }) => `${type} ${address} ${heardOn}`.trim()),
    [
      'offer 10.81.0.100 67',
      'offer 10.82.0.100 67',
      'ack 10.81.0.100 67',
      'ack 10.82.0.100 67',
      'offer 10.81.0.100 67',
      'offer 10.81.0.101 67',
      'silence  0',
    ],
  );
  test.match(daemon.log(), /"msg":"no subnet is configured for the relay agent's address/);
});
