import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { fileOf, filesOf, unitOf, unitsOf } from './support/cloud-config.ts';
import { type RenderOptions, renderRole } from './support/render-role.ts';
import { sampleIdentity } from './support/sample-identity.ts';
import { verifyUnits } from './support/verify-units.ts';

const PEERS = [
  { hostname: 'etcd-1', address: '10.77.0.11' },
  { hostname: 'etcd-2', address: '10.77.0.12' },
];
const MEMBER: RenderOptions = {
  identity: sampleIdentity({ kind: 'etcd', hostname: 'etcd-2', address: '10.77.0.12' }),
  machine: { hostname: 'etcd-2', address: '10.77.0.12' },
  cluster: { etcd: PEERS, etcdEndpoints: PEERS.map(({ address }) => `https://${address}:2379`) },
};

t.test('a member knows its own name and those of all', async (t) => {
  const env = fileOf(renderRole('etcd', MEMBER), '/etc/tinderbox/etcd.env');
  t.match(env, "\nNAME='etcd-2'\nADDRESS='10.77.0.12'\n");
  t.match(env, "\nMEMBERS='etcd-1=https://10.77.0.11:2380,etcd-2=https://10.77.0.12:2380'\n");
});

t.test('a machine that is told to be a member, and is none, says so', async (t) => {
  const config = renderRole('etcd', { ...MEMBER, machine: { hostname: 'other', address: '' } });
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-etcd-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'env'), fileOf(config, '/etc/tinderbox/etcd.env'));
  const script = fileOf(config, '/opt/tinderbox/prepare-etcd').replaceAll(
    '/etc/tinderbox/etcd.env',
    `${folder}/env`,
  );
  const { status, stderr } = spawnSync('bash', [], { input: script, encoding: 'utf8' });
  t.equal(status, 1);
  t.match(stderr, 'give it a hostname and an address in machines.yaml');
});

t.test('etcd does not start without its disk, nor without its certificates', async (t) => {
  const config = renderRole('etcd', MEMBER);
  const unit = unitOf(config, 'etcd.service');
  for (const other of ['var-lib-etcd.mount', 'tinderbox-identity.service', 'tinderbox-etcd.service']) {
    t.match(unit, new RegExp(`^Requires=${other}$`, 'm'));
    t.match(unit, new RegExp(`^After=${other}$`, 'm'));
  }
  t.match(unitOf(config, 'var-lib-etcd.mount'), /^Before=.*tinderbox-disk\.service$/m);
  t.strictSame(verifyUnits(config), []);
  const inMemory = renderRole('etcd', { ...MEMBER, parameters: { etcdDisk: 'none' } });
  t.notOk(unitsOf(inMemory).some(({ name }) => name.includes('disk') || name.endsWith('.mount')));
  t.notOk(filesOf(inMemory).has('/opt/tinderbox/prepare-etcd-disk'));
  t.strictSame(verifyUnits(inMemory), []);
});

/** Runs prepare-etcd-disk where files stand for disks: blkid, wipefs, mkfs.ext4 and head do not mind. */
function prepareDisk(
  folder: string,
  named: string,
  options: { found?: string; users?: string } = {},
): { readonly status: number | null; readonly output: string; readonly chosen: string } {
  const place = mkdtempSync(join(folder, 'p-'));
  const bin = join(place, 'bin');
  mkdirSync(bin);
  const program = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  program('udevadm', ':');
  program('blkid', `printf '%s' '${options.found ?? ''}'`);
  program('lsblk', `printf '%s\\n' '${options.users ?? 'disk '}'`);
  const script = fileOf(
    renderRole('etcd', { ...MEMBER, parameters: { etcdDisk: named } }),
    '/opt/tinderbox/prepare-etcd-disk',
  )
    .replaceAll('/run/tinderbox', join(place, 'run'))
    .replace('! -b $disk', '! -f $disk');
  const { status, stdout, stderr } = spawnSync('bash', [], {
    input: script,
    encoding: 'utf8',
    env: { PATH: `${bin}:/usr/sbin:/usr/bin:/sbin:/bin` },
  });
  const link = join(place, 'run/etcd-disk');
  const chosen = spawnSync('readlink', [link], { encoding: 'utf8' }).stdout.trim();
  return { status, output: stdout + stderr, chosen };
}

const mkfs = (file: string) => execFileSync('/sbin/mkfs.ext4', ['-q', '-F', file]);
/** A partition table of one entry (type Linux, from sector 2048), as fdisk writes it. */
const table = (file: string) => {
  const sector = Buffer.alloc(512);
  sector.writeUInt8(0x83, 450);
  sector.writeUInt32LE(2048, 454);
  sector.writeUInt32LE(4096, 458);
  sector.writeUInt16LE(0xaa55, 510);
  writeFileSync(file, sector, { flag: 'r+' });
};
const text = (file: string) => writeFileSync(file, 'precious', { flag: 'r+' });

t.test(
  "etcd's disk is never wiped: a file system is made only where the operator says and nothing is",
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tinderbox-etcd-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const disk = (name: string, fill: (file: string) => void = () => undefined): string => {
      const file = join(folder, name);
      writeFileSync(file, '');
      truncateSync(file, 16 * 1024 * 1024);
      fill(file);
      return file;
    };
    const rows: readonly [string, string, { found?: string; users?: string }, RegExp][] = [
      [
        'nobody named one',
        '',
        {},
        /no file system is labelled TINDERBOX-ETCD. Label one .* or name a blank disk/,
      ],
      ['it is not there', join(folder, 'nowhere'), {}, /is no block device/],
      ['it has a file system', disk('fs', mkfs), {}, /is not blank, so it is left alone: [^]*ext4/],
      ['it has a partition table', disk('table', table), {}, /is not blank, so it is left alone: [^]*dos/],
      ['it has something', disk('text', text), {}, /does not begin with a MiB of zeros/],
      ['it is in use', disk('mounted'), { users: 'disk /oem' }, /has partitions or is in use/],
      ['it has partitions', disk('parts'), { users: 'disk \npart ' }, /has partitions or is in use/],
      [
        'two are labelled',
        '',
        { found: '/dev/sda1\n/dev/sdb1\n' },
        /more than one file system .*\/dev\/sda1 \/dev\/sdb1/,
      ],
    ];
    for (const [what, named, options, wanted] of rows) {
      const before = existsSync(named) ? readFileSync(named) : undefined;
      const { status, output, chosen } = prepareDisk(folder, named, options);
      t.equal(status, 1, what);
      t.match(output, wanted, what);
      t.equal(chosen, '', what);
      if (before !== undefined) t.ok(before.equals(readFileSync(named)), `${what}: it is as it was`);
    }

    const blank = disk('blank');
    t.match(prepareDisk(folder, blank), { status: 0, chosen: blank });
    t.match(execFileSync('/sbin/blkid', ['-p', blank], { encoding: 'utf8' }), 'LABEL="TINDERBOX-ETCD"');
    t.match(
      prepareDisk(folder, blank, { found: '/dev/sdc' }),
      { status: 0, chosen: '/dev/sdc' },
      'a labelled one goes first',
    );
    t.match(prepareDisk(folder, blank), { status: 1, output: /is not blank/ });
  },
);
