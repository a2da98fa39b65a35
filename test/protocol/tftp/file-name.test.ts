import fc from 'fast-check';
import t from 'tap';
import { normalizeFileName } from '../../../src/protocol/tftp/file-name.ts';
import { decodeTftpPacket } from '../../../src/protocol/tftp/packet.ts';

t.test('TFTP 4: a name becomes a path within the root', async (t) => {
  const table: readonly (readonly [string, string])[] = [
    ['undionly.kpxe', 'undionly.kpxe'],
    ['/undionly.kpxe', 'undionly.kpxe'],
    ['//a//b', 'a/b'],
    ['\\efi\\boot\\bootx64.efi', 'efi/boot/bootx64.efi'],
    ['./a/./b', 'a/b'],
    ['a..b/...', 'a..b/...'],
    ['undionly.kpxe \r\n', 'undionly.kpxe'],
    ['undionly.kpxe\x7f\x01', 'undionly.kpxe'],
    ['с-именем.efi', 'с-именем.efi'],
    ['~root', '~root'],
  ];
  for (const [asked, name] of table) t.same(normalizeFileName(asked), { name }, JSON.stringify(asked));
});

t.test('TFTP 4: a name that leaves the root, or is none, is refused', async (t) => {
  const names = [
    '..',
    '../a',
    'a/../../b',
    'a\\..\\b',
    '/..',
    '\\..\\..\\etc\\passwd',
    '',
    '/',
    '.',
    ' ',
    '\ufffd',
    'a\0b',
  ];
  for (const asked of names) t.match(normalizeFileName(asked), { refused: String }, JSON.stringify(asked));
});

t.test('TFTP 4: the end option of DHCP and what follows it is cut off, as some ROMs send it', async (t) => {
  const request = Buffer.from('\0\x01undionly.kpxe\xff\x42\0octet\0', 'latin1');
  const packet = decodeTftpPacket(request);
  t.same(packet.kind === 'read' && normalizeFileName(packet.name), { name: 'undionly.kpxe' });
});

t.test('no name at all leaves the root', async () => {
  const part = fc.oneof(fc.constantFrom('..', '.', '/', '\\', '\0', '', 'a'), fc.string());
  fc.assert(
    fc.property(
      fc.array(part).map((parts) => parts.join('')),
      (asked) => {
        const result = normalizeFileName(asked);
        if ('refused' in result) return true;
        const parts = result.name.split('/');
        return !parts.some((each) => ['', '.', '..'].includes(each)) && !/[\0\\]/.test(result.name);
      },
    ),
    { numRuns: 5000 },
  );
});
