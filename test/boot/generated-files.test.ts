import t from 'tap';
import { generatedFile, isLoaderName } from '../../src/boot/generated-files.ts';

t.test('a loader finds its script wherever its prefix is', (t) => {
  const rows: readonly (readonly [name: string, kind: string | undefined])[] = [
    ['grub.cfg', 'grub-bootstrap'],
    // Debian's and Ubuntu's signed GRUB.
    ['grub/grub.cfg', 'grub-bootstrap'],
    ['grub/x86_64-efi/grub.cfg', 'grub-bootstrap'],
    // Fedora's.
    ['EFI/fedora/grub.cfg', 'grub-bootstrap'],
    ['grub.cfg?mac=52:54:00:12:34:56', 'grub-script'],
    ['autoexec.ipxe', 'ipxe-bootstrap'],
    ['grub/x86_64-efi/command.lst', 'optional'],
    ['grub/x86_64-efi/http.mod', 'optional'],
    ['EFI/fedora/grub.cfg-01-52-54-00-12-34-56', 'optional'],
    ['EFI/fedora/grub.cfg-0A4D0064', 'optional'],
    ['grub/fonts/unicode.pf2', 'optional'],
    ['revocations.efi', 'optional'],
    ['shim_certificate_0.efi', 'optional'],
    ['a/b/c/d/grub.cfg', undefined],
    ['mygrub.cfg', undefined],
    ['grub.cfg.bak', undefined],
    ['snponly.efi?mac=1', undefined],
    ['grubx64.efi', undefined],
    ['', undefined],
  ];
  for (const [name, kind] of rows) t.equal(generatedFile(name)?.kind, kind, name);
  t.match(generatedFile('grub.cfg?mac=1?2'), { query: 'mac=1?2' });
  t.end();
});

t.test('what a loader goes on to fetch is no loader', (t) => {
  for (const name of ['snponly.efi', '/shimx64.efi', 'grubx64.efi', 'EFI/BOOT/BOOTX64.EFI'])
    t.ok(isLoaderName(name), name);
  for (const name of [
    '/grub/grub.cfg',
    'grub.cfg?mac=1',
    '/assets/vmlinuz',
    'autoexec.ipxe',
    '/grub/x86_64-efi/fs.lst',
  ]) {
    t.notOk(isLoaderName(name), name);
  }
  t.end();
});
