import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import type { NetworkNamespace } from '../../src/lab/namespace.ts';
import { bootMachines, createLab, fetchInside, type Lab } from './support/dhcp-lab.ts';

/*
 * The virtual client against a server that is not ours: what it believes of firmware and of servers must not be our
 * own misunderstanding, seen from both sides.
 */
const COMMON = [
  'dnsmasq',
  '--keep-in-foreground',
  '--conf-file=/dev/null',
  '--port=0',
  '--log-facility=-',
  '--log-dhcp',
  '--no-ping',
];
const OWN = [
  '--user=root',
  '--group=root',
  '--interface=br0',
  '--bind-interfaces',
  '--leasefile-ro',
  '--pid-file=',
];
const BOOT = [
  '--enable-tftp',
  '--tftp-root=/usr/lib/ipxe',
  '--dhcp-match=set:ipxe,175',
  '--dhcp-match=set:efi,option:client-arch,7',
];
const FILES = [
  '--dhcp-boot=tag:ipxe,http://10.77.0.1/boot.ipxe',
  '--dhcp-boot=tag:!ipxe,tag:efi,snponly.efi',
  '--dhcp-boot=tag:!ipxe,tag:!efi,undionly.kpxe',
];

async function startDnsmasq(namespace: NetworkNamespace, args: readonly string[]): Promise<() => string> {
  const server = namespace.spawn([...COMMON, ...OWN, ...BOOT, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  await new Promise<void>((resolve, reject) => {
    server.stderr?.on('data', (chunk: Buffer) => {
      log += chunk.toString('utf8');
      if (/DHCP, (IP range|proxy)/.test(log)) resolve();
    });
    server.once('exit', () => reject(new Error(log)));
    server.once('error', reject);
  });
  return () => log;
}

async function startPages(namespace: NetworkNamespace): Promise<AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tinderbox-pages-'));
  await mkdir(path.join(folder, 'assets'));
  const files: Record<string, string> = {
    'boot.ipxe': '#!ipxe\nchain --replace /ipxe?mac=${net0/mac}',
    ipxe: '#!ipxe\nkernel /assets/vmlinuz cloud-config-url=http://10.77.0.1/config\ninitrd /assets/initrd\nboot',
    config: '#cloud-config\nhostname: from-dnsmasq\n',
    'assets/vmlinuz': 'kernel',
    'assets/initrd': 'initrd',
  };
  for (const [name, content] of Object.entries(files)) await writeFile(path.join(folder, name), content);
  namespace.spawn(['busybox', 'httpd', '-f', '-p', '10.77.0.1:80', '-h', folder]);
  for (let attempt = 0; attempt < 50; attempt++) {
    if ((await fetchInside(namespace, 'http://10.77.0.1/config').catch(() => '')) !== '') break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }) };
}

async function bootAll(lab: Lab): Promise<Awaited<ReturnType<typeof bootMachines>>> {
  const client = await lab.addClient('10.77.0.3/24');
  const order = { interface: 'eth0', count: 3, until: 'config', ownAddresses: true } as const;
  return [
    ...(await bootMachines(client, { ...order, firstMac: 0x525400cc0000, arch: 'uefi-x64' })),
    ...(await bootMachines(client, { ...order, firstMac: 0x525400cc0100, arch: 'bios' })),
  ];
}

await t.test('virtual machines boot from a dnsmasq that gives addresses and files', async (test) => {
  await using lab = await createLab();
  await using pages = await startPages(lab.network.namespace);
  const log = await startDnsmasq(lab.network.namespace, [
    '--dhcp-range=10.77.0.100,10.77.0.199,10m',
    ...FILES,
  ]);
  const outcomes = await bootAll(lab);
  test.equal(outcomes.length, 6);
  for (const outcome of outcomes) {
    test.equal(outcome.ok, true, JSON.stringify(outcome.steps.at(-1)));
    test.equal(outcome.hostname, 'from-dnsmasq');
    test.match(outcome.addresses.os, /^10\.77\.0\.1\d\d$/);
  }
  test.match(log(), /vendor class: PXEClient:Arch:00007:UNDI:003016/);
  test.match(log(), /user class: iPXE/);
  test.ok(pages);
});

await t.test('virtual machines boot from a dnsmasq that is a proxy beside another', async (test) => {
  await using lab = await createLab({ plainDhcp: true });
  await using pages = await startPages(lab.network.namespace);
  const services = [
    '--pxe-service=tag:!ipxe,x86PC,boot,undionly.kpxe',
    '--pxe-service=tag:!ipxe,X86-64_EFI,boot,snponly.efi',
  ];
  const ipxe = ['--dhcp-boot=tag:ipxe,http://10.77.0.1/boot.ipxe'];
  const log = await startDnsmasq(lab.network.namespace, [
    '--dhcp-range=10.77.0.0,proxy',
    ...services,
    ...ipxe,
  ]);
  const outcomes = await bootAll(lab);
  test.equal(outcomes.length, 6);
  for (const outcome of outcomes) {
    test.equal(outcome.ok, true, JSON.stringify(outcome.steps.at(-1)));
    test.match(outcome.addresses.os, /^10\.77\.0\.[5-9]\d$/);
  }
  test.match(log(), /PXE\(br0\)/);
  test.ok(pages);
});
