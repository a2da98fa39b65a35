import { once } from 'node:events';
import t from 'tap';
import { addAddress, addBridge, addVethPair, createNamespace, joinBridge } from '../../src/lab/namespace.ts';
import { bootMachines, createLab, runUdhcpc, startDaemon } from './support/dhcp-lab.ts';

const CONFIG = `network: { interface: [br0, br1] }
dhcp:
  mode: server
  subnets:
    - { network: 10.77.0.0/24, range: 10.77.0.100-10.77.0.199, router: 10.77.0.1 }
    - { network: 10.78.0.0/24, range: 10.78.0.100-10.78.0.199, router: 10.78.0.1 }
`;

await t.test('two interfaces of one daemon never mix', async (test) => {
  await using lab = await createLab();
  const server = lab.network.namespace;
  await addBridge(server, 'br1', '10.78.0.1/24');
  await using daemon = await startDaemon(server, { config: CONFIG, address: '10.77.0.1' });
  const here = await lab.addClient('10.77.0.3/24');
  await using there = await createNamespace('there');
  await addVethPair({ namespace: server, name: 'other0' }, { namespace: there, name: 'eth0' });
  await joinBridge(server, 'other0', 'br1');
  await addAddress(there, 'eth0', '10.78.0.3/24');

  // What the second network sees while the first one boots.
  const ear = there.spawn(
    ['tcpdump', '-i', 'eth0', '-n', '-l', '--immediate-mode', 'udp port 67 or udp port 68 or udp port 4011'],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let overheard = '';
  ear.stdout?.on('data', (chunk: Buffer) => {
    overheard += chunk.toString('utf8');
  });
  await once(ear.stderr as NodeJS.ReadableStream, 'data');
  const first = await bootMachines(here, {
    interface: 'eth0',
    count: 3,
    firstMac: 0x525400bb0300,
    arch: 'uefi-x64',
    until: 'report',
  });
  test.equal(overheard, '', 'nothing of the first network is heard on the second');

  const second = await bootMachines(there, {
    interface: 'eth0',
    count: 3,
    firstMac: 0x525400bb0400,
    arch: 'uefi-x64',
    until: 'report',
  });
  test.not(overheard, '', 'the ear was open');
  for (const [outcomes, network] of [
    [first, '10.77.0.'],
    [second, '10.78.0.'],
  ] as const) {
    test.equal(outcomes.length, 3);
    for (const outcome of outcomes) {
      test.equal(outcome.ok, true, JSON.stringify(outcome.steps.at(-1)));
      test.ok(Object.values(outcome.addresses).every((address) => address.startsWith(network)));
      test.ok(
        outcome.scripts.every(({ url }) => url.startsWith(`http://${network}1/`)),
        'URLs are of its own network',
      );
      test.match(outcome.loader?.url, `tftp://${network}1/`);
    }
  }
  // The same machine on the other cable is another address there.
  test.match((await runUdhcpc(here, '52:54:00:aa:03:01')).output, /serverid=10\.77\.0\.1/);
  test.match(
    (await runUdhcpc(there, '52:54:00:aa:03:01')).output,
    /ip=10\.78\.0\.\d+ .*serverid=10\.78\.0\.1/,
  );
  test.ok(daemon.running());
});
