import t from 'tap';
import { hasTransferCalls } from '../../src/net/libc-transfers.ts';

for (const [arch, order, known] of [
  ['x64', 'LE', true],
  ['arm64', 'LE', true],
  ['arm64', 'BE', false],
  ['ia32', 'LE', false],
  ['arm', 'LE', false],
  ['s390x', 'BE', false],
] as const) {
  t.test(`memory is ${known ? '' : 'not '}laid out as on 64 bits on ${arch} (${order})`, async (t) => {
    t.equal(hasTransferCalls(arch, order), known);
  });
}
