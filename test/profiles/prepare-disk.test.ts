import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { fileOf } from './support/cloud-config.ts';
import { renderRole } from './support/render-role.ts';

/** A disk as lsblk and sysfs show it. */
interface Disk {
  readonly name: string;
  readonly tran?: string;
  readonly removable?: boolean;
  readonly readOnly?: boolean;
  readonly sectors?: number;
  readonly label?: string;
  /** Lines of `lsblk -lno TYPE,MOUNTPOINT`. */
  readonly use?: string;
  readonly labels?: string;
  readonly parts?: readonly string[];
}

/** Runs the worker's prepare-disk with programs that only note what they are asked to do. */
function prepareDisk(
  folder: string,
  disks: readonly Disk[],
  disk: string,
): { readonly status: number | null; readonly output: string; readonly done: string } {
  const place = mkdtempSync(join(folder, 'd-'));
  const bin = join(place, 'bin');
  mkdirSync(bin);
  const answers = new Map<string, string>([
    ['-dnpo NAME,TYPE', disks.map(({ name }) => `/dev/${name} disk`).join('\n')],
  ]);
  for (const { name, ...shown } of disks) {
    mkdirSync(join(place, 'block', name), { recursive: true });
    writeFileSync(join(place, 'block', name, 'removable'), shown.removable === true ? '1\n' : '0\n');
    writeFileSync(join(place, 'block', name, 'ro'), shown.readOnly === true ? '1\n' : '0\n');
    writeFileSync(join(place, 'block', name, 'size'), `${shown.sectors ?? 1e8}\n`);
    answers.set(`-dno TYPE /dev/${name}`, 'disk');
    answers.set(`-dno TRAN /dev/${name}`, shown.tran ?? 'sata');
    answers.set(`-dno LABEL /dev/${name}`, shown.label ?? '');
    answers.set(`-no LABEL,PARTLABEL /dev/${name}`, shown.labels ?? shown.label ?? '');
    answers.set(`-lno TYPE,MOUNTPOINT /dev/${name}`, shown.use ?? 'disk ');
    answers.set(
      `-lnpo NAME,TYPE /dev/${name}`,
      [`/dev/${name} disk`, ...(shown.parts ?? []).map((part) => `/dev/${part} part`)].join('\n'),
    );
  }
  const cases = [...answers].map(([args, answer]) => `'${args}') printf '%s\\n' '${answer}' ;;`);
  const program = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/bash\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  program('lsblk', `case "$*" in\n${cases.join('\n')}\n-dno\\ SIZE*) echo ;;\n*) exit 32 ;;\nesac`);
  for (const name of ['wipefs', 'mkfs.ext4', 'blockdev', 'udevadm', 'ln', 'mount'])
    program(name, `echo "${name} $*" >>'${place}/done'`);
  program('readlink', 'echo "$2"');
  writeFileSync(join(place, 'done'), '');

  const script = fileOf(renderRole('worker', { parameters: { disk } }), '/opt/tinderbox/prepare-disk')
    .replaceAll('/sys/block', join(place, 'block'))
    .replaceAll('/run/tinderbox', join(place, 'run'))
    .replaceAll('/var/lib/containerd', join(place, 'images'));
  const { status, stdout, stderr } = spawnSync('bash', [], {
    input: script,
    encoding: 'utf8',
    env: { PATH: `${bin}:/usr/bin:/bin` },
  });
  return { status, output: stdout + stderr, done: readFileSync(join(place, 'done'), 'utf8') };
}

t.test('the worker wipes a disk that it may, and no other', async (t) => {
  execFileSync('bash', ['--version']);
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-disk-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const table: readonly [string, readonly Disk[], string, number, string | undefined, RegExp?][] = [
    ['the first by name', [{ name: 'sdb' }, { name: 'sda' }], 'auto', 0, 'sda'],
    ['numbers count as numbers', [{ name: 'nvme10n1' }, { name: 'nvme2n1' }], 'auto', 0, 'nvme2n1'],
    [
      'its own from an earlier boot first',
      [{ name: 'sda' }, { name: 'sdb', label: 'TINDERBOX-DATA' }],
      'auto',
      0,
      'sdb',
    ],
    ['no disk at all', [], 'auto', 0, undefined, /images stay in memory, at most 50% of it/],
    ['never USB', [{ name: 'sda', tran: 'usb' }], 'auto', 0, undefined, /sda is left alone: it is on USB/],
    ['never removable media', [{ name: 'sda', removable: true }], 'auto', 0, undefined, /it is removable/],
    ['never a read-only disk', [{ name: 'sda', readOnly: true }], 'auto', 0, undefined, /it is read-only/],
    ['never a tiny one', [{ name: 'sda', sectors: 2048 }], 'auto', 0, undefined, /smaller than 4 GiB/],
    [
      'never what is kept',
      [{ name: 'sda', labels: '\nTINDERBOX-KEEP' }],
      'auto',
      0,
      undefined,
      /labelled TINDERBOX-KEEP/,
    ],
    ['never a mounted one', [{ name: 'sda', use: 'disk \npart /oem' }], 'auto', 0, undefined, /it is in use/],
    ['never swap', [{ name: 'sda', use: 'disk [SWAP]' }], 'auto', 0, undefined, /it is in use/],
    ['never RAID', [{ name: 'sda', use: 'disk \npart \nraid1 ' }], 'auto', 0, undefined, /it is in use/],
    [
      'the next where the first must not be',
      [{ name: 'sda', labels: 'TINDERBOX-KEEP' }, { name: 'sdb' }],
      'auto',
      0,
      'sdb',
    ],
    [
      'never loop, zram, floppy, boot partitions of eMMC',
      [{ name: 'loop0' }, { name: 'zram0' }, { name: 'fd0' }, { name: 'mmcblk0boot0' }],
      'auto',
      0,
      undefined,
    ],
    ['the one that is named', [{ name: 'sda' }, { name: 'sdb' }], '/dev/sdb', 0, 'sdb'],
    [
      'named, yet kept',
      [{ name: 'sda', labels: 'TINDERBOX-KEEP' }],
      '/dev/sda',
      1,
      undefined,
      /cannot be used: it is labelled/,
    ],
    [
      'named, yet removable',
      [{ name: 'sda', removable: true }],
      '/dev/sda',
      1,
      undefined,
      /cannot be used: it is removable/,
    ],
    [
      'named, yet not there',
      [{ name: 'sda' }],
      '/dev/sdz',
      1,
      undefined,
      /cannot be used: it is no whole disk/,
    ],
  ];
  for (const [what, disks, wanted, status, wiped, output] of table) {
    const result = prepareDisk(folder, disks, wanted);
    t.equal(result.status, status, `${what}: ${result.output}`);
    const touched = [
      ...new Set(
        [...result.done.matchAll(/^(?:wipefs|mkfs\.ext4|blockdev) .*?\/dev\/(\S+)$/gm)].map(
          ([, name]) => name,
        ),
      ),
    ];
    t.strictSame(touched, wiped === undefined ? [] : [wiped], what);
    if (output !== undefined) t.match(result.output, output, what);
  }
  const { done } = prepareDisk(folder, [{ name: 'sda', parts: ['sda1', 'sda2'] }], 'auto');
  t.match(
    done,
    /wipefs .*sda1\nwipefs .*sda2\nwipefs .*\/dev\/sda\nblockdev .*\nudevadm settle\nmkfs\.ext4 .* -L TINDERBOX-DATA .*\/dev\/sda\nln /,
  );
});
