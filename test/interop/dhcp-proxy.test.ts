import t from 'tap';
import { runProgram } from '../../src/lab/run-program.ts';
import { bootMachines, createLab, overhear, runUdhcpc, startDaemon } from './support/dhcp-lab.ts';

const CONFIG = `network: { interface: br0 }
dhcp: { mode: proxy }
`;

await t.test('alone on a network, a proxy is silent to ordinary clients', async (test) => {
  await using lab = await createLab();
  await using daemon = await startDaemon(lab.network.namespace, { config: CONFIG, address: '10.77.0.1' });
  const client = await lab.addClient();
  const { code, output } = await runUdhcpc(client, '52:54:00:aa:01:01');
  test.equal(code, 1, output);
  test.notMatch(output, /event=bound|lease of/);
  await client.run(['ip', 'address', 'add', '10.77.0.3/24', 'dev', 'eth0']);
  const overheard = await overhear(client);
  const nmap = await runProgram(
    client.enter([
      'nmap',
      '-e',
      'eth0',
      '--script',
      'broadcast-dhcp-discover',
      '--script-args',
      'broadcast-dhcp-discover.timeout=3',
    ]),
    { timeout: 30_000 },
  );
  test.notMatch(nmap, /Server Identifier|DHCPOFFER/, nmap);
  test.match(overheard(), /> 255\.255\.255\.255\.67: BOOTP\/DHCP, Request/, 'nmap did ask');
  test.notMatch(overheard(), /BOOTP\/DHCP, Reply/);
  // The silence is the proxy's choice and not its absence: a network boot is answered.
  const [machine] = await bootMachines(client, {
    interface: 'eth0',
    count: 1,
    firstMac: 0x525400bb0100,
    arch: 'uefi-x64',
    until: 'loader',
    pace: 0.05,
  });
  test.match(machine?.steps[0]?.answered, /only proxy OFFER from 10\.77\.0\.1/);
  test.ok(daemon.running());
});

await t.test('beside a real dnsmasq it adds the boot to the addresses of the other', async (test) => {
  await using lab = await createLab({ plainDhcp: true });
  await using daemon = await startDaemon(lab.network.namespace, { config: CONFIG, address: '10.77.0.1' });
  const client = await lab.addClient('10.77.0.3/24');
  const ordinary = await runUdhcpc(client, '52:54:00:aa:01:02');
  test.equal(ordinary.code, 0, ordinary.output);
  test.match(ordinary.output, /serverid=10\.77\.0\.2/);
  for (const [index, arch] of ['bios', 'uefi-x64', 'uefi-x64-http'].entries()) {
    const outcomes = await bootMachines(client, {
      interface: 'eth0',
      count: 3,
      firstMac: 0x525400bb0200 + index * 16,
      arch,
      until: 'report',
    });
    test.equal(outcomes.length, 3);
    for (const outcome of outcomes) {
      const steps = outcome.steps.map((step) => step.step);
      test.equal(outcome.ok, true, `${arch}: ${JSON.stringify(outcome.steps.at(-1))}`);
      test.equal(steps.includes('rom-proxy'), arch === 'uefi-x64', `${arch}: ${steps.join(' ')}`);
      test.match(outcome.addresses.rom, /^10\.77\.0\.[5-9]\d$/, 'the address is the other server’s');
    }
  }
  test.ok(daemon.running());
});
