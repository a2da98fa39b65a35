import { existsSync, readFileSync } from 'node:fs';
import t from 'tap';
import { readExecutable } from '../../src/boot/read-executable.ts';

/** A PE file's beginning: `MZ`, at 0x3c where the PE header is, there `PE` and the machine. */
function pe(machine: number, at = 0x80): Uint8Array {
  const bytes = new Uint8Array(512);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0x4d5a);
  view.setUint32(0x3c, at, true);
  if (at + 6 <= bytes.length) {
    view.setUint32(at, 0x50450000);
    view.setUint16(at + 4, machine, true);
  }
  return bytes;
}

t.test('a boot file says what it is a program for', (t) => {
  const rows: readonly (readonly [string, Uint8Array, string | undefined])[] = [
    ['x64', pe(0x8664), 'x86_64'],
    ['32-bit x86', pe(0x14c), 'x86'],
    ['arm64', pe(0xaa64), 'arm64'],
    ['a machine that nobody knows', pe(0x1234), undefined],
    ['a header beyond the end', pe(0x8664, 4000), undefined],
    ['no PE header', Uint8Array.from(pe(0x8664)).fill(0, 0x80), undefined],
    ['no PE file at all', new Uint8Array(512).fill(0xea), 'bios'],
    ['nothing', new Uint8Array(), undefined],
  ];
  for (const [what, bytes, expected] of rows) t.equal(readExecutable(bytes), expected, what);
  t.end();
});

t.test('as the loaders of the distribution do', (t) => {
  for (const [file, expected] of [
    ['snponly.efi', 'x86_64'],
    ['undionly.kpxe', 'bios'],
  ] as const) {
    const path = `/usr/lib/ipxe/${file}`;
    if (existsSync(path)) t.equal(readExecutable(readFileSync(path).subarray(0, 4096)), expected, file);
  }
  t.end();
});
