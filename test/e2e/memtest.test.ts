import { cp, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { explain, startLab } from '../support/start-lab.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BOOT_TIME = 240_000;
const MAC = '52:54:00:12:34:71';

// The binary for UEFI starts as well, and ends with `efi_setup() failed`: these machines have no screen.
t.test('the role memtest tests the memory of a machine', { timeout: 500_000 }, async (t) => {
  await using lab = await startLab({ mode: 'server', machinesYaml: 'default: none\n' });
  const binary = 'memtest86+x64.bin';
  await mkdir(join(lab.folder, 'assets/memtest'));
  await cp(`/boot/${binary}`, join(lab.folder, 'assets/memtest', binary));
  await cp(join(ROOT, 'profiles/memtest'), join(lab.folder, 'profiles/memtest'), { recursive: true });
  await writeFile(join(lab.folder, 'profiles/machines.yaml'), `machines: { '${MAC}': { role: memtest } }\n`);
  const machine = await lab.powerOn('bios-ipxe', MAC);
  try {
    // It draws a screen, also on the serial line, whose lines never end.
    await machine.console.waitFor(/Memtest86\+ v\d/, { timeout: BOOT_TIME, unfinished: true });
    await machine.console.waitFor(/Pass:? +\d|Test #?\d|Testing:/, { timeout: BOOT_TIME, unfinished: true });
  } catch (error) {
    t.comment(await explain(lab, machine));
    throw error;
  }
  t.match((await lab.inspect(MAC)).session, { role: 'memtest', end: 'handed-over' });
});
