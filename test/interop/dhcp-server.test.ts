import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import { runProgram } from '../../src/lab/run-program.ts';
import { bootMachines, createLab, runPerfdhcp, runUdhcpc, startDaemon } from './support/dhcp-lab.ts';

const CONFIG = `network: { interface: br0 }
dhcp:
  mode: server
  probe: off
  # Hundreds ask at once here, faster than addresses are looked for.
  probeAddresses: false
  range: 10.77.4.0-10.77.15.255
  router: 10.77.0.1
  leaseTime: 10m
`;

/* Server mode beside clients that we did not write. One network and one daemon for all of them. */
await using lab = await createLab({ address: '10.77.0.1/16' });
await using daemon = await startDaemon(lab.network.namespace, {
  config: CONFIG,
  address: '10.77.0.1',
  machines:
    'machines:\n  52:54:00:aa:00:09: { role: worker, hostname: fixed, address: 10.77.0.9 }\ndefault: worker\n',
});
const client = await lab.addClient('10.77.0.3/16');

await t.test('busybox udhcpc gets a lease, and the same address again', async (test) => {
  const first = await runUdhcpc(client, '52:54:00:aa:00:01');
  test.equal(first.code, 0, first.output);
  test.match(first.address, /^10\.77\.(4|5|6|7|8|9|1[0-5])\.\d+$/);
  test.match(first.output, /router=10\.77\.0\.1 lease=600 serverid=10\.77\.0\.1/);
  const second = await runUdhcpc(client, '52:54:00:aa:00:01');
  test.equal(second.address, first.address);
  const other = await runUdhcpc(client, '52:54:00:aa:00:02');
  test.not(other.address, first.address);
});

await t.test('a released address stays the machine’s while nobody needs it', async (test) => {
  // -R: RELEASE on exit.
  const first = await runUdhcpc(client, '52:54:00:aa:00:03', ['-R']);
  test.equal(first.code, 0, first.output);
  const second = await runUdhcpc(client, '52:54:00:aa:00:03');
  test.equal(second.address, first.address);
});

await t.test('a reservation of machines.yaml is what its machine gets', async (test) => {
  const { address } = await runUdhcpc(client, '52:54:00:aa:00:09');
  test.equal(address, '10.77.0.9');
});

await t.test(
  'ISC dhclient binds, renews, releases, and keeps its address over a restart of the daemon',
  async (test) => {
    await client.run(['ip', 'link', 'set', 'eth0', 'address', '52:54:00:aa:00:04']);
    const folder = await mkdtemp(path.join(tmpdir(), 'tinderbox-dhclient-'));
    const leases = path.join(folder, 'leases');
    const pid = path.join(folder, 'pid');
    const dhclient = (...args: string[]): Promise<string> =>
      runProgram(
        [
          'sh',
          '-c',
          '"$@" 2>&1',
          'sh',
          ...client.enter([
            'dhclient',
            '-4',
            '-v',
            '-1',
            '-sf',
            '/bin/true',
            '-cf',
            '/dev/null',
            '-lf',
            leases,
            '-pf',
            pid,
            ...args,
            'eth0',
          ]),
        ],
        { timeout: 60_000 },
      );
    const stop = async (): Promise<void> => {
      const text = await readFile(pid, 'utf8').catch(() => '');
      if (text !== '') process.kill(Number(text), 'SIGKILL');
    };
    try {
      const bound = await dhclient();
      const address = /bound to (\S+)/.exec(bound)?.[1];
      test.match(bound, /DHCPACK/);
      await stop();
      const renewed = await dhclient();
      test.match(renewed, new RegExp(`DHCPREQUEST for ${address}`));
      test.match(renewed, new RegExp(`bound to ${address}`));
      await stop();
      test.equal(await daemon.stop(), 0);
      await daemon.restart();
      test.match(await dhclient(), new RegExp(`bound to ${address}`));
      await stop();
      test.match(await dhclient('-r'), /DHCPRELEASE/);
    } finally {
      await stop().catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    }
  },
);

await t.test('hundreds of perfdhcp clients get an address each, none twice', async (test) => {
  // As a relay from 10.77.0.3; -u: a repeated address is an error; 200 a second. On a busy host perfdhcp asks a few
  // times more than it was told to: those must be other machines, too.
  const report = await runPerfdhcp(client, [
    '-r',
    '200',
    '-R',
    '2000',
    '-n',
    '600',
    '-u',
    '-W',
    '2000000',
    '-l',
    '10.77.0.3',
    '10.77.0.1',
  ]);
  test.ok(report.acks >= 590, report.text);
  test.equal(report.drops, 0, report.text);
  test.match(report.text, /non unique addresses: 0/);
});

await t.test('virtual machines of every firmware boot to their report and keep one address', async (test) => {
  for (const arch of ['bios', 'uefi-x64', 'uefi-x64-http']) {
    const count = 4;
    const outcomes = await bootMachines(client, {
      interface: 'eth0',
      count,
      firstMac: 0x525400bb0000 + arch.length * 16,
      arch,
      until: 'report',
    });
    test.equal(outcomes.length, count, arch);
    for (const outcome of outcomes) {
      test.equal(outcome.ok, true, `${arch}: ${JSON.stringify(outcome.steps.at(-1))}`);
      test.equal(outcome.addresses.rom, outcome.addresses.ipxe);
      test.equal(outcome.addresses.rom, outcome.addresses.os);
      test.match(outcome.config, outcome.mac, 'the configuration is this machine’s');
    }
    test.equal(new Set(outcomes.map((outcome) => outcome.addresses.rom)).size, count);
  }
});
