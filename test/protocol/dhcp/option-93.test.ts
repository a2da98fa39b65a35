import t from 'tap';
import {
  decodeClientArchitectures,
  encodeClientArchitectures,
} from '../../../src/protocol/dhcp/option-93.ts';
import {
  decodeClientNetworkInterface,
  encodeClientNetworkInterface,
} from '../../../src/protocol/dhcp/option-94.ts';

const lists = [
  { name: 'one', bytes: [0, 7], found: [7] },
  { name: 'several, in order', bytes: [0, 7, 0, 9, 1, 0], found: [7, 9, 256] },
  { name: 'a lone byte', bytes: [7], found: [7] },
  { name: 'a byte left over', bytes: [0, 7, 0], found: [7] },
  { name: 'nothing', bytes: [], found: [] },
] as const;

t.test('option 93 is a list of architectures, whatever its length', async (t) => {
  for (const { name, bytes, found } of lists) {
    t.strictSame(decodeClientArchitectures(Uint8Array.from(bytes)), found, name);
  }
  t.strictSame([...encodeClientArchitectures([7, 256])], [0, 7, 1, 0]);
});

t.test('option 94 is read where it is UNDI with a version', async (t) => {
  t.strictSame(decodeClientNetworkInterface(encodeClientNetworkInterface({ major: 3, minor: 16 })), {
    major: 3,
    minor: 16,
  });
  for (const bytes of [[], [1, 3], [2, 3, 16], [1, 3, 16, 0]]) {
    t.equal(decodeClientNetworkInterface(Uint8Array.from(bytes)), undefined, `[${bytes.join(', ')}]`);
  }
});
