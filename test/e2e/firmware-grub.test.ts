import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ensureDebianLoaders } from '../../src/lab/debian-loaders.ts';
import { ensureDebianPackages } from '../../src/lab/debian-packages.ts';
import { ensureLiveImage } from '../../src/lab/live-image.ts';
import { ensureUnifiedKernel } from '../../src/lab/unified-kernel.ts';
import { checkBoot } from '../support/check-boot.ts';
import { explain, type Lab, startLab } from '../support/start-lab.ts';
import { watchDhcpAndTftp } from '../support/watch-dhcp-tftp.ts';

const CACHE = join(import.meta.dirname, '../../.cache');
const SECURE = '52:54:00:00:6b:01';
const HELD = '52:54:00:00:6b:02';
const HTTP = '52:54:00:00:6b:03';
const ARM = '52:54:00:00:6b:04';
const ARM_HTTP = '52:54:00:00:6b:05';

/** The role demo under another name, with more in its role.yaml. */
async function addRole(lab: Lab, name: string, more: string): Promise<void> {
  const folder = join(lab.folder, 'profiles', name);
  await cp(join(lab.folder, 'profiles/demo'), folder, { recursive: true });
  await writeFile(
    join(folder, 'role.yaml'),
    `${await readFile(join(folder, 'role.yaml'), 'utf8')}\n${more}\n`,
  );
}

t.test(
  'a signed chain boots where Secure Boot is on, and GRUB boots a machine that was held, and one by HTTP alone',
  { timeout: 900_000 },
  async (t) => {
    const { shim, signedGrub, grub } = await ensureDebianLoaders({ cache: CACHE, log: () => undefined });
    await using lab = await startLab({
      mode: 'server',
      machines: 3,
      bootFiles: { 'shimx64.efi': shim, 'grubx64.efi': signedGrub, 'grub-net.efi': grub },
      machinesYaml: 'default: demo\n',
      config: 'admission: approve\n',
    });
    await addRole(lab, 'signed', 'secureBoot: true');
    await addRole(lab, 'grub', 'loaders: { uefi-x64: grub-net.efi, uefi-x64-http: grub-net.efi }');
    await writeFile(
      join(lab.folder, 'profiles/machines.yaml'),
      `machines:
  ${SECURE}: { role: signed, hostname: secure-1 }
  ${HTTP}: { role: grub, hostname: grub-http-1 }
rules:
  - { match: { mac: '${HELD}' }, role: grub }
default: none
`,
    );
    await lab.tinderbox('check');
    await using packets = await watchDhcpAndTftp(lab);
    const [secure, held, http] = await Promise.all([
      lab.powerOn('uefi-x64-secure', SECURE),
      lab.powerOn('uefi-x64', HELD),
      lab.powerOn('uefi-x64-http', HTTP),
    ]);

    await t.test('Secure Boot', { timeout: 600_000 }, async (t) => {
      const { events, machine } = await checkBoot(t, lab, secure, {
        hostname: 'secure-1',
        role: 'signed',
        events: ['dhcp.discover', 'tftp.done', 'http.boot-script', 'http.script'],
      });
      const loaded = events.filter(({ kind, outcome }) => kind === 'tftp.done' && outcome === 'answered');
      const names = loaded.map(({ asked }) => asked).join('\n');
      for (const name of ['shimx64.efi', 'grubx64.efi', '/assets/live/vmlinuz', '/assets/live/initrd.img'])
        t.match(names, name, 'by TFTP');
      // By syslog: the serial line of a busy host loses characters.
      const said = await lab.tinderbox('machines', SECURE, '--console');
      t.match(said, /Kernel is locked down from EFI Secure Boot/, 'its kernel believes in it');
      t.match(machine.hardware, { firmware: { kind: 'uefi', secureBoot: true } }, 'and the record has it');
      await secure.quit();
    });

    await t.test('held, approved, booted', { timeout: 600_000 }, async (t) => {
      try {
        await held.console.waitFor(/Tinderbox: .*approv/, { timeout: 300_000 });
      } catch (error) {
        t.comment(await explain(lab, held));
        throw error;
      }
      t.match((await lab.inspect(HELD)).session, { stage: 'firmware' }, 'it got no further');
      await lab.tinderbox('approve', HELD);
      await checkBoot(t, lab, held, {
        hostname: 'node-006b02',
        role: 'grub',
        events: ['tftp.done', 'http.boot-script', 'http.script', 'http.asset'],
      });
      await held.quit();
    });

    await t.test('UEFI HTTP boot', { timeout: 600_000 }, async (t) => {
      await checkBoot(t, lab, http, {
        hostname: 'grub-http-1',
        role: 'grub',
        events: ['dhcp.discover', 'http.boot-script', 'http.script', 'http.asset'],
      });
      t.equal(packets.count(HTTP, 69), 0, 'not one TFTP packet');
      t.ok(packets.count(HTTP, 67) >= 2, 'while its DHCP was seen');
      await http.quit();
    });
  },
);

t.test('arm64 machines boot by GRUB, over TFTP and by HTTP alone', { timeout: 900_000 }, async (t) => {
  const { signedGrub, grub } = await ensureDebianLoaders({
    cache: CACHE,
    log: () => undefined,
    processor: 'arm64',
  });
  await using lab = await startLab({
    mode: 'server',
    machines: 2,
    processor: 'arm64',
    bootFiles: { 'grubaa64.efi': signedGrub, 'grub-net.efi': grub },
    machinesYaml: `machines:
  ${ARM}: { role: demo, hostname: arm-1 }
  ${ARM_HTTP}: { role: demo, hostname: arm-2 }
default: none
`,
    config: 'loaders: { uefi-arm64: grubaa64.efi, uefi-arm64-http: grub-net.efi }\n',
  });
  await using packets = await watchDhcpAndTftp(lab);
  const [arm, http] = await Promise.all([
    lab.powerOn('uefi-arm64', ARM),
    lab.powerOn('uefi-arm64-http', ARM_HTTP),
  ]);
  const signed = await checkBoot(t, lab, arm, {
    hostname: 'arm-1',
    events: ['dhcp.discover', 'tftp.done', 'http.boot-script', 'http.script'],
  });
  t.match(signed.events.find(({ kind }) => kind === 'dhcp.discover')?.asked, /"PXEClient:Arch:00011/);
  t.match(signed.machine, { arch: 'arm64', hardware: { cpu: { model: 'aarch64' } } });
  const byHttp = await checkBoot(t, lab, http, {
    hostname: 'arm-2',
    events: ['dhcp.discover', 'http.boot-script', 'http.script', 'http.asset'],
  });
  t.match(byHttp.events.find(({ kind }) => kind === 'dhcp.discover')?.asked, /"HTTPClient:Arch:00019/);
  t.equal(packets.count(ARM_HTTP, 69), 0, 'not one TFTP packet');
  t.ok(packets.count(ARM, 69) > 0, 'while the other sent some');
});

/** Tinderbox has little part in it, so that once in a while is enough. */
if (process.env['TINDERBOX_FULL'] === '1') {
  t.test('a kernel is its own loader, by UEFI HTTP boot on arm64', { timeout: 900_000 }, async (t) => {
    const log = (line: string): void => t.comment(line);
    await ensureDebianPackages(['binutils-aarch64-linux-gnu'], { log });
    const image = await ensureLiveImage({ cache: CACHE, log, processor: 'arm64' });
    const kernel = await ensureUnifiedKernel(image, 'console=ttyAMA0', { cache: CACHE, log });
    await using lab = await startLab({
      mode: 'server',
      bootFiles: { 'linux.efi': kernel },
      machinesYaml: 'default: demo\n',
      processor: 'arm64',
    });
    const folder = join(lab.folder, 'profiles/kernel-alone');
    await mkdir(folder);
    await writeFile(
      join(folder, 'role.yaml'),
      'boot: hold\nloaders: { uefi-arm64-http: linux.efi }\nstageTime: { firmware: off }\n',
    );
    await writeFile(join(lab.folder, 'profiles/machines.yaml'), 'default: kernel-alone\n');
    await lab.tinderbox('check');
    await using packets = await watchDhcpAndTftp(lab);
    const machine = await lab.powerOn('uefi-arm64-http', ARM);
    await machine.console.waitFor(new RegExp(`tinderbox: live up with ${ARM}`), { timeout: 400_000 });
    const { session, events } = await lab.inspect(ARM);
    t.match(session, { stage: 'firmware' });
    t.ok(events.some(({ asked }) => asked === 'GET /assets/ipxe/linux.efi'));
    t.equal(packets.count(ARM, 69), 0, 'not one TFTP packet');
  });
}
