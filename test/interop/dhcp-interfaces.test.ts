import t from 'tap';
import { addAddress, addBridge, addVethPair, createNamespace, joinBridge } from '../../src/lab/namespace.ts';
import { askDhcp } from './support/ask-dhcp-port.ts';
import { bootMachines, createLab, overhear, runUdhcpc, startDaemon } from './support/dhcp-lab.ts';

const CONFIG = `network: { interface: [br0, br1] }
dhcp:
  mode: server
  probe: off
  subnets:
    - { network: 10.77.0.0/24, range: 10.77.0.100-10.77.0.199, router: 10.77.0.1 }
    - { network: 10.78.0.0/24, range: 10.78.0.100-10.78.0.199, router: 10.78.0.1 }
`;

/** A daemon on 10.77.0.1 and 10.78.0.1, and a client on either cable. */
async function createTwoNetworks(config: string) {
  await using stack = new AsyncDisposableStack();
  const lab = stack.use(await createLab());
  const server = lab.network.namespace;
  await addBridge(server, 'br1', '10.78.0.1/24');
  const daemon = stack.use(await startDaemon(server, { config, address: '10.77.0.1' }));
  const here = await lab.addClient('10.77.0.3/24');
  const there = stack.use(await createNamespace('there'));
  await addVethPair({ namespace: server, name: 'other0' }, { namespace: there, name: 'eth0' });
  await joinBridge(server, 'other0', 'br1');
  await addAddress(there, 'eth0', '10.78.0.3/24');
  const owned = stack.move();
  return { daemon, here, there, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

await t.test('two interfaces of one daemon never mix', async (test) => {
  await using networks = await createTwoNetworks(CONFIG);
  const { daemon, here, there } = networks;
  const overheard = await overhear(there);
  const first = await bootMachines(here, {
    interface: 'eth0',
    count: 3,
    firstMac: 0x525400bb0300,
    arch: 'uefi-x64',
    until: 'report',
  });
  test.equal(overheard(), '', 'nothing of the first network is heard on the second');

  const second = await bootMachines(there, {
    interface: 'eth0',
    count: 3,
    firstMac: 0x525400bb0400,
    arch: 'uefi-x64',
    until: 'report',
  });
  test.not(overheard(), '', 'the ear was open');
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
  // It keeps both, and neither is good on the other cable.
  const mac = '52:54:00:aa:03:02';
  const bind = { type: 'request', mac } as const;
  const [one, other] = [
    await askDhcp(here, { ...bind, server: '10.77.0.1', requested: '10.77.0.150' }),
    await askDhcp(there, { ...bind, server: '10.78.0.1', requested: '10.78.0.150' }),
  ];
  test.match([...one, ...other], [{ address: '10.77.0.150' }, { address: '10.78.0.150' }]);
  const [again] = await askDhcp(here, { type: 'discover', mac });
  test.match(again, { type: 'offer', address: '10.77.0.150', server: '10.77.0.1' });
  for (const [namespace, ciaddr, type] of [
    [here, '10.77.0.150', 'ack'],
    [here, '10.78.0.150', 'nak'],
    [there, '10.77.0.150', 'nak'],
  ] as const) {
    // The machine has the address that it renews.
    await addAddress(namespace, 'eth0', `${ciaddr}/32`);
    const [rebound] = await askDhcp(namespace, { ...bind, ciaddr });
    test.match(rebound, { type }, `rebinding ${ciaddr}`);
    await namespace.run(['ip', 'address', 'delete', `${ciaddr}/32`, 'dev', 'eth0']);
  }
  test.ok(daemon.running());
});

await t.test('two interfaces of a proxy never mix, on ports 67 and 4011', async (test) => {
  await using networks = await createTwoNetworks(
    'network: { interface: [br0, br1] }\ndhcp: { mode: proxy, probe: off }\n',
  );
  const { daemon, here, there } = networks;
  const overheard = await overhear(there);
  const mac = '52:54:00:aa:03:03';
  const discover = { type: 'discover', mac, rom: 'uefi' } as const;
  const request = { type: 'request', mac, port: 4011 } as const;
  const own = { server: '10.77.0.1', address: '0.0.0.0' };
  test.match(
    await askDhcp(
      here,
      discover,
      { ...request, rom: 'uefi', to: '10.77.0.1' },
      { ...request, rom: 'uefi' },
      { ...request, rom: 'bios', to: '10.77.0.1' },
    ),
    [
      { type: 'offer', ...own, heardOn: 68 },
      { type: 'ack', ...own, heardOn: 4011, file: 'snponly.efi' },
      { type: 'ack', ...own, heardOn: 4011, file: 'snponly.efi' },
      // A ROM that calls itself a BIOS there, and was a UEFI a moment ago.
      { type: 'ack', ...own, heardOn: 4011, file: 'snponly.efi' },
    ],
  );
  test.equal(overheard(), '', 'nothing of the first network is heard on the second');
  // The same MAC on the other cable is another machine, as far as can be known: a BIOS.
  test.match(
    await askDhcp(
      there,
      { ...request, rom: 'bios', to: '10.78.0.1' },
      { ...discover, rom: 'bios' },
      { ...request, rom: 'bios' },
    ),
    [
      { type: 'ack', server: '10.78.0.1', heardOn: 4011, file: 'undionly.kpxe' },
      { type: 'offer', server: '10.78.0.1', file: 'undionly.kpxe' },
      { type: 'ack', server: '10.78.0.1', heardOn: 4011, file: 'undionly.kpxe' },
    ],
  );
  test.not(overheard(), '', 'the ear was open');
  test.notMatch(overheard(), /10\.77\.0\.1/);
  test.ok(daemon.running());
});
