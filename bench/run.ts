/** `npm run bench`: Tinderbox beside real peers, in one run, as ratios. `npm run bench -- tftp` runs one of them. */
import { cpus, loadavg } from 'node:os';
import { ensureDebianPackages, LAB_PACKAGES } from '../src/lab/debian-packages.ts';
import { run as runDhcp } from './dhcp.ts';
import { run as runHttp } from './http.ts';
import { run as runMemory } from './memory.ts';
import { run as runTftp } from './tftp.ts';

const PACKAGES = [
  ...LAB_PACKAGES,
  'curl',
  'dnsmasq-base',
  'kea-admin',
  'kea-dhcp4-server',
  'nginx-light',
  'tftpd-hpa',
];

const BENCHES: Readonly<Record<string, () => Promise<unknown>>> = {
  tftp: () => runTftp(),
  http: runHttp,
  dhcp: () => runDhcp(),
  memory: () => runMemory(),
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  console.error(`no such bench: ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);
  process.exitCode = 2;
} else {
  await ensureDebianPackages(PACKAGES, { log: (line) => console.log(line) });
  console.log(`${cpus().length} processors, load ${loadavg()[0]?.toFixed(1)}; compare ratios, not figures\n`);
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    await bench();
    console.log('');
  }
}
