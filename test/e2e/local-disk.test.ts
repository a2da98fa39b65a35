import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { explain, type Lab, startLab } from '../support/start-lab.ts';

const MAC = '52:54:00:12:34:56';
const BOOT_TIME = 240_000;

/**
 * A boot sector that prints a line on the BIOS's screen and halts:
 * `xor ax,ax; mov ds,ax; mov si,text; next: lodsb; test al,al; jz halt; mov ah,0eh; int 10h; jmp next; halt: hlt; jmp halt`.
 */
function bootSector(text: string): Uint8Array {
  const code = '31c0 8ed8 be157c ac 84c0 7406 b40e cd10 ebf5 f4 ebfd'.replaceAll(' ', '');
  const sector = new Uint8Array(1024 * 1024);
  sector.set(Buffer.concat([Buffer.from(code, 'hex'), Buffer.from(`\r\n${text}\r\n\0`)]));
  sector.set([0x55, 0xaa], 510);
  return sector;
}

/** A disk with something that UEFI firmware starts from it. */
async function makeEfiDisk(lab: Lab): Promise<string> {
  const folder = join(lab.folder, 'esp');
  await mkdir(join(folder, 'EFI/BOOT'), { recursive: true });
  await cp('/usr/lib/ipxe/snponly.efi', join(folder, 'EFI/BOOT/BOOTX64.EFI'), { dereference: true });
  return `fat:rw:${folder}`;
}

async function makeBiosDisk(lab: Lab): Promise<string> {
  const file = join(lab.folder, 'disk.img');
  await writeFile(file, bootSector('up from the disk'));
  return file;
}

const rows = [
  { kind: 'bios-rom', makeDisk: makeBiosDisk, up: /^up from the disk/ },
  {
    kind: 'uefi-x64',
    makeDisk: makeEfiDisk,
    up: /BdsDxe: starting Boot\w+ "UEFI (Misc Device|QEMU HARDDISK)/,
  },
] as const;

for (const { kind, makeDisk, up } of rows) {
  t.test(
    `real firmware, ${kind}, boots its own disk with the role local, after it was held`,
    { timeout: 300_000 },
    async (t) => {
      await using lab = await startLab({ mode: 'server', machinesYaml: 'default: none\n' });
      for (const role of ['hold', 'local']) {
        await mkdir(join(lab.folder, `profiles/${role}`), { recursive: true });
        await writeFile(join(lab.folder, `profiles/${role}/role.yaml`), `boot: ${role}\n`);
      }
      await writeFile(join(lab.folder, 'profiles/machines.yaml'), 'default: hold\n');
      const machine = await lab.powerOn(kind, MAC, { disk: await makeDisk(lab) });
      try {
        await machine.console.waitFor(/Tinderbox: asking again in 5 s/, { timeout: BOOT_TIME });
        const screen = machine.console.lines.join('\n');
        // A BIOS screen has 80 columns.
        t.match(screen, /Tinderbox: This machine waits \(role hold\): tinderbox appr/);
        t.match(screen, /Tinderbox: serial LAB-123456\s+Tinderbox: address 10\.77\.0\./);
        await lab.tinderbox('approve', MAC, '--role', 'local');
        await machine.console.waitFor(up, { timeout: BOOT_TIME });
      } catch (error) {
        t.comment(await explain(lab, machine));
        throw error;
      }
      const { session } = await lab.inspect(MAC);
      t.match(session, { stage: 'script', end: 'handed-over', role: 'local' });
    },
  );
}
