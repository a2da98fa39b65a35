import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { QemuMachine } from '../../src/lab/qemu-machine.ts';
import { explain, type Lab, startLab } from '../support/start-lab.ts';

const MAC = '52:54:00:12:34:56';
const BOOT_TIME = 240_000;
const DISK_SIZE = 4 * 1024 * 1024;

/**
 * A system in one boot sector: it prints a line on the BIOS's screen and halts.
 * `xor ax,ax; mov ds,ax; mov si,text; next: lodsb; test al,al; jz halt; mov ah,0eh; int 10h; jmp next; halt: hlt; jmp halt`.
 */
function systemImage(text: string): Uint8Array {
  const code = '31c0 8ed8 be157c ac 84c0 7406 b40e cd10 ebf5 f4 ebfd'.replaceAll(' ', '');
  const sector = new Uint8Array(1024 * 1024);
  sector.set(Buffer.concat([Buffer.from(code, 'hex'), Buffer.from(`\r\n${text}\r\n\0`)]));
  sector.set([0x55, 0xaa], 510);
  return sector;
}

/** An installer: the live image runs what its cloud-config brings. `mode`: works, hangs half way, or fails. */
const ROLE = `description: Writes an image to the first disk
boot:
  kernel: /assets/live/vmlinuz
  initrd: [/assets/live/initrd.img]
  cmdline: [console=ttyS0, 'cloud-config-url={{configUrl}}', 'tinderbox.report={{reportUrl}}']
config: { format: cloud-config, template: cloud-config.yaml.hbs }
parameters: { mode: works }
`;
const TEMPLATE = `#cloud-config
hostname: {{quote machine.hostname}}
write_files:
  - path: /opt/tinderbox/start
    permissions: '0755'
    content: |
      #!/bin/sh
      report() { wget -q -O /dev/null --post-data "$1" {{shell reportUrl}}; }
      echo "installer: {{parameters.mode}}"
      wget -q -O /run/image {{shell assetsUrl}}/lab/disk.img || exit 1
      dd if=/run/image of=/dev/vda bs=512 count=1 2>/dev/null
      sync
{{#if (eq parameters.mode "hangs")}}
      echo 'installer: half way'
      while :; do sleep 3600; done
{{/if}}
{{#if (eq parameters.mode "fails")}}
      report 'stage=failed&log=no+room'
      reboot -f
{{/if}}
      dd if=/run/image of=/dev/vda bs=64k 2>/dev/null
      sync
      until report stage=installed; do sleep 1; done
      echo 'installer: done'
      reboot -f
`;

async function writeMachines(lab: Lab, mode: string): Promise<void> {
  const entry = `{ role: local, once: lab-install, parameters: { mode: ${mode} } }`;
  await writeFile(
    join(lab.folder, 'profiles/machines.yaml'),
    `machines:\n  ${MAC}: ${entry}\ndefault: none\n`,
  );
}

async function startSite(): Promise<Lab> {
  const lab = await startLab({ mode: 'server', machinesYaml: 'default: none\n' });
  await mkdir(join(lab.folder, 'profiles/lab-install'), { recursive: true });
  await writeFile(join(lab.folder, 'profiles/lab-install/role.yaml'), ROLE);
  await writeFile(join(lab.folder, 'profiles/lab-install/cloud-config.yaml.hbs'), TEMPLATE);
  await mkdir(join(lab.folder, 'profiles/local'), { recursive: true });
  await writeFile(join(lab.folder, 'profiles/local/role.yaml'), 'boot: local\n');
  await mkdir(join(lab.folder, 'assets/lab'), { recursive: true });
  await writeFile(join(lab.folder, 'assets/lab/disk.img'), systemImage('the installed system is up'));
  return lab;
}

const UP = /^the installed system is up/;

t.test(
  'a machine is installed once, through a power cut, and boots its disk from then on; what fails is tried three times',
  { timeout: 900_000 },
  async (t) => {
    await using lab = await startSite();
    const disk = join(lab.folder, 'disk.img');
    await writeFile(disk, new Uint8Array(DISK_SIZE));
    let machine: QemuMachine | undefined;
    let from = 0;
    /** Behind what was seen before: it boots again and again. */
    const see = async (text: RegExp): Promise<void> => {
      const { console } = machine as QemuMachine;
      const line = await console.waitFor(text, { timeout: BOOT_TIME, from });
      from = console.lines.indexOf(line, from) + 1;
    };
    try {
      await writeMachines(lab, 'hangs');
      machine = await lab.powerOn('bios-ipxe', MAC, { disk });
      await see(/^installer: half way/);
      await machine.quit();
      t.match(await lab.tinderbox('machines', MAC), /once: lab-install \(boot 1, under way, then local\)/);

      await writeMachines(lab, 'works');
      from = 0;
      machine = await lab.powerOn('bios-ipxe', MAC, { disk });
      await see(/^installer: done/);
      await see(/role local/);
      await see(UP);
      t.same(
        (await readFile(disk)).subarray(0, 1024 * 1024),
        Buffer.from(systemImage('the installed system is up')),
      );
      t.match(await lab.tinderbox('machines', MAC), /once: lab-install \(used .*, back to local\)/);
      t.match((await lab.inspect(MAC)).session, { role: 'local', end: 'handed-over' });

      // What it knows of it is on disk, whatever becomes of the daemon.
      await lab.killDaemon();
      await lab.startDaemon();
      await machine.reset();
      await see(UP);
      t.notMatch(machine.console.lines.slice(-5).join('\n'), /installer/);

      await writeMachines(lab, 'fails');
      await lab.tinderbox('assign', MAC, 'lab-install', '--once');
      await machine.reset();
      for (let boot = 1; boot <= 3; boot++) await see(/^installer: fails/);
      await see(/This machine waits, once: lab-install did not succeed in 3 boots/);
      t.match(await lab.tinderbox('explain', MAC), /once: lab-install \(it waits: 3 boots without success\)/);

      await writeMachines(lab, 'works');
      await lab.tinderbox('assign', MAC, 'lab-install', '--once');
      await see(/^installer: done/);
      await see(UP);
    } catch (error) {
      if (machine !== undefined) t.comment(await explain(lab, machine));
      throw error;
    }
  },
);
