import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { readHardware } from '../../src/boot/read-hardware.ts';
import { checkShell } from '../profiles/support/check-shell.ts';

const SCRIPT = fileURLToPath(new URL('../../src/lab/hardware.sh', import.meta.url));
const SHELLS = [['dash'], ['bash', '--posix'], ['busybox', 'sh']];

/** A root with these files of /proc and /sys; `links`: their targets. */
function makeRoot(
  t: Test,
  files: Readonly<Record<string, string>>,
  links: Readonly<Record<string, string>> = {},
) {
  const root = mkdtempSync(join(tmpdir(), 'tinderbox-hardware-'));
  t.teardown(() => rmSync(root, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), content, 'latin1');
  }
  for (const [name, target] of Object.entries(links)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    symlinkSync(target, join(root, name));
  }
  return root;
}

function run(shell: readonly string[], root?: string): unknown {
  const [program = '', ...args] = shell;
  const { stdout, stderr } = spawnSync(program, [...args, SCRIPT, ...(root === undefined ? [] : [root])], {
    encoding: 'utf8',
  });
  if (stderr !== '') throw new Error(stderr);
  return (JSON.parse(stdout) as { readonly hardware: unknown }).hardware;
}

t.test('every shell reads this host, and the server understands all of it', async (t) => {
  for (const shell of SHELLS) {
    const said = run(shell) as object;
    t.strictSame(readHardware(said, 'linux', 1), { at: 1, source: 'linux', ...said }, shell.join(' '));
  }
});

t.test('a machine with disks, cards, a board and UEFI', async (t) => {
  const root = makeRoot(
    t,
    {
      'proc/cpuinfo':
        'processor\t: 0\nmodel name\t: Xeon "Gold" \\ 6230\n\nprocessor\t: 1\nmodel name\t: Xeon\n',
      'proc/meminfo': 'MemTotal:       65536000 kB\nMemFree: 1 kB\n',
      'sys/block/nvme0n1/size': '3750748848\n',
      'sys/block/nvme0n1/device/model': 'SAMSUNG MZQL21T9HCJR-00A07              \n',
      'sys/block/sda/size': '0\n',
      'sys/block/loop0/size': '8\n',
      'sys/block/dm-0/size': '8\n',
      'sys/class/net/lo/address': '00:00:00:00:00:00\n',
      'sys/class/net/eno1/address': '3c:ec:ef:00:00:01\n',
      'sys/class/net/eno1/speed': '1000\n',
      'sys/class/net/eno1/carrier': '1\n',
      'sys/class/net/eno1/device/vendor': 'x',
      'sys/class/net/eno2/speed': '-1\n',
      'sys/class/net/eno2/carrier': '0\n',
      'sys/class/net/eno2/device/vendor': 'x',
      'sys/class/dmi/id/bios_vendor': 'AMI\x1b[1m\n',
      'sys/class/dmi/id/bios_version': '2.1\n',
      'sys/class/dmi/id/bios_date': '02/21/2020\n',
      'sys/class/dmi/id/board_vendor': 'Supermicro\n',
      'sys/class/dmi/id/board_name': 'H11SSL-i\n',
      'sys/firmware/efi/efivars/SecureBoot-8be4df61': '\x06\x00\x00\x00\x01',
    },
    { 'sys/class/net/eno1/device/driver': '/sys/bus/pci/drivers/igb' },
  );
  for (const shell of SHELLS) {
    t.strictSame(
      run(shell, root),
      {
        cpu: { model: 'Xeon "Gold" \\ 6230', count: 2 },
        memory: 65_536_000 * 1024,
        board: 'Supermicro H11SSL-i',
        disks: [
          { name: 'nvme0n1', model: 'SAMSUNG MZQL21T9HCJR-00A07', bytes: 3_750_748_848 * 512 },
          { name: 'sda', bytes: 0 },
        ],
        network: [
          { name: 'eno1', mac: '3c:ec:ef:00:00:01', driver: 'igb', speed: 1000, link: true },
          { name: 'eno2', link: false },
        ],
        firmware: { kind: 'uefi', vendor: 'AMI[1m', version: '2.1', date: '02/21/2020', secureBoot: true },
      },
      shell.join(' '),
    );
  }
});

t.test('a machine that shows next to nothing is told as that', async (t) => {
  const root = makeRoot(t, { 'proc/cpuinfo': '', 'proc/meminfo': '' });
  t.match(run(['dash'], root), { memory: 0, disks: [], network: [], firmware: { kind: 'bios' } });
});

t.test('the script that the roles have is the same, and is sound', async (t) => {
  const script = readFileSync(SCRIPT, 'utf8');
  const partial = readFileSync(new URL('../../profiles/partials/hardware.sh.hbs', import.meta.url), 'utf8');
  t.equal(partial.slice(partial.indexOf('\n') + 1), script);
  t.strictSame(checkShell(script), []);
});
