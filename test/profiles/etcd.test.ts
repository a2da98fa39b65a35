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
import type { Parameters } from '../../src/machine/role.ts';
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

interface DiskOptions {
  readonly found?: string;
  readonly users?: string;
  /** The fixed disks of the machine, with the label of each. */
  readonly fixed?: readonly (readonly [file: string, label?: string])[];
  readonly removable?: string;
}

/** Runs prepare-etcd-disk where files stand for disks: blkid, wipefs, mkfs.ext4 and head do not mind. */
function prepareDisk(
  folder: string,
  named: string,
  options: DiskOptions = {},
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
  const fixed = options.fixed ?? [];
  const answers = [`'-dnpo NAME,TYPE') printf '%s' '${fixed.map(([file]) => `${file} disk\n`).join('')}' ;;`];
  for (const [file, label] of fixed) {
    const block = join(place, 'block', file.replaceAll('/', '!'));
    mkdirSync(block, { recursive: true });
    writeFileSync(join(block, 'removable'), file === options.removable ? '1' : '0');
    writeFileSync(join(block, 'ro'), '0');
    writeFileSync(join(block, 'size'), '100000000');
    answers.push(
      `'-dno TYPE ${file}') echo disk ;;`,
      `'-dno TRAN ${file}') echo sata ;;`,
      `'-dno LABEL ${file}') echo '${label ?? ''}' ;;`,
    );
  }
  program(
    'lsblk',
    `case "$*" in\n${answers.join('\n')}\n*) printf '%s\\n' '${options.users ?? 'disk '}' ;;\nesac`,
  );
  const script = fileOf(
    renderRole('etcd', { ...MEMBER, parameters: { etcdDisk: named } }),
    '/opt/tinderbox/prepare-etcd-disk',
  )
    .replaceAll('/run/tinderbox', join(place, 'run'))
    .replaceAll('/sys/block', join(place, 'block'))
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
    const rows: readonly [string, string, DiskOptions, RegExp][] = [
      [
        'nobody named one',
        '',
        {},
        /no file system is labelled TINDERBOX-ETCD. Label one .* name a blank disk/,
      ],
      ['it is not there', join(folder, 'nowhere'), {}, /is no block device/],
      ['it has a file system', disk('fs', mkfs), {}, /is left alone, it is not blank: .*ext4/s],
      ['it has a partition table', disk('table', table), {}, /is left alone, it is not blank: .*dos/s],
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

t.test(
  'left to itself, etcd takes a blank disk, then one of container images, and nothing else',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tinderbox-etcd-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    let count = 0;
    const disk = (fill: (file: string) => void = () => undefined): string => {
      const file = join(folder, `disk-${count++}`);
      writeFileSync(file, '');
      truncateSync(file, 16 * 1024 * 1024);
      fill(file);
      return file;
    };
    const [windows, images, first, second, stick] = [disk(table), disk(mkfs), disk(), disk(), disk()];
    const withImages = [images, 'TINDERBOX-DATA'] as const;
    t.match(
      prepareDisk(folder, 'auto', {
        fixed: [[stick], [windows], withImages, [first], [second]],
        removable: stick,
      }),
      { status: 0, chosen: first },
      'the first that is blank and fixed',
    );
    t.match(execFileSync('/sbin/blkid', ['-p', first], { encoding: 'utf8' }), 'LABEL="TINDERBOX-ETCD"');
    t.match(
      prepareDisk(folder, 'auto', { fixed: [[windows], [second]], found: second }),
      { status: 0, chosen: second },
      'a labelled one before all',
    );
    t.match(
      prepareDisk(folder, 'auto', { fixed: [[windows], withImages] }),
      { status: 0, chosen: images },
      'no boot keeps the images of an earlier role',
    );
    const before = readFileSync(windows);
    t.match(prepareDisk(folder, 'auto', { fixed: [[windows]] }), {
      status: 1,
      chosen: '',
      output: /no fixed disk is blank\. .* is left alone, it is not blank: .*Wipe one, or label/s,
    });
    t.ok(before.equals(readFileSync(windows)), 'what has a partition table is as it was');
    const other = disk(mkfs);
    t.match(prepareDisk(folder, 'auto', { fixed: [[other, 'TINDERBOX-DATA']], users: 'disk /var/lib/x' }), {
      status: 1,
    });
    t.match(prepareDisk(folder, 'auto', { fixed: [[other, 'precious']] }), { status: 1, chosen: '' });
    t.match(prepareDisk(folder, 'auto'), { status: 1, output: /There is no disk\./ });
  },
);

t.test("nothing is wiped on a machine whose disk of etcd's data could not be found or mounted", async (t) => {
  const path = '/etc/systemd/system/tinderbox-disk.service.d/10-etcd.conf';
  const wanted = 'tinderbox-etcd-disk.service var-lib-etcd.mount';
  const self = { hostname: 'master-1', address: '10.77.0.10' };
  const other = { hostname: 'etcd-1', address: '10.77.0.31' };
  const configOf = (role: string, parameters: Parameters = {}, etcd = self) =>
    renderRole(role, {
      identity: sampleIdentity({
        kind: 'controller',
        ...self,
        ...(role === 'controller' ? {} : { layout: 'coreos', nodeName: self.address }),
      }),
      machine: { ...self, prefix: 24 },
      cluster: { controllers: [self], etcd: [etcd], etcdEndpoints: [`https://${etcd.address}:2379`] },
      parameters,
    });
  for (const role of ['controller', 'coreos-controller']) {
    const config = configOf(role);
    t.equal(fileOf(config, path), `[Unit]\nRequires=${wanted}\nAfter=${wanted}\n`, role);
    for (const name of wanted.split(' ')) t.not(unitOf(config, name), '', `${role}: ${name}`);
    t.strictSame(verifyUnits(config), [], role);
    t.notOk(filesOf(configOf(role, { etcdDisk: 'none' })).has(path), role);
  }
  // Who has none of it goes on as before.
  t.notOk(filesOf(configOf('controller', {}, other)).has(path));
  t.notOk(filesOf(renderRole('worker')).has(path));
});
