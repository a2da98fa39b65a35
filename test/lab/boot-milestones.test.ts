import t from 'tap';
import { createMilestoneReader } from '../../src/lab/boot-milestones.ts';

t.test('tells each step of a boot once, at its first sign', async (t) => {
  const read = createMilestoneReader('bios-rom');
  const console = [
    ['SeaBIOS (version 1.16.2-debian-1.16.2-1)', 'BIOS is up'],
    ['iPXE 1.0.0+git-20190125 -- Open Source Network Boot Firmware -- http', undefined],
    ['vendor ROM: asking on net0', "the ROM's PXE client asks for an address"],
    ['vendor ROM: loading undionly.kpxe from 10.77.0.1', 'it was told its boot file and loads it by TFTP'],
    ['iPXE 1.0.0+git-20190125 -- Open Source Network Boot Firmware -- http', 'iPXE is up'],
    ['iPXE 1.0.0+git-20190125 -- Open Source Network Boot Firmware -- http', undefined],
    ['http://10.77.0.1/boot.ipxe... ok', 'iPXE has the boot script'],
    ['http://10.77.0.1/assets/live/vmlinuz... 12%     24%     ok', 'iPXE has the kernel'],
    ['tinderbox: eth0 has 10.77.0.100 from 10.77.0.1', 'the operating system has an address'],
    ['--- cloud-config ---', 'it has its configuration'],
    ['tinderbox: demo-1 up with 52:54:00:77:00:01', 'it is up under its own name'],
    ['tinderbox: reported booted', 'it reported that it is up'],
    ['tinderbox: reported booted', undefined],
  ] as const;
  for (const [line, text] of console) t.equal(read(line), text, line);
});

t.test('an iPXE that is no vendor ROM in disguise is told at once', async (t) => {
  const read = createMilestoneReader('bios-ipxe');
  t.equal(read('iPXE 1.21.1 -- Open Source Network Boot Firmware -- https://ipxe.org'), 'iPXE is up');
});
