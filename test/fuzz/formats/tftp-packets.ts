import { encodeTftpPacket, type TftpPacket } from '../../../src/protocol/tftp/packet.ts';
import { replaceBytes } from '../engine/mutate-bytes.ts';
import { bytesOf } from '../engine/mutate-text.ts';
import type { Mutator } from '../engine/target.ts';

const NAMES = [
  'undionly.kpxe',
  '/undionly.kpxe',
  '\\a\\b',
  '../../etc/passwd',
  'a/../b',
  '..',
  './/x',
  'x\ufffd\u0001',
  '....//x',
  'é/ü',
  ' x ',
];
const MODES = ['octet', 'OCTET', 'netascii', 'mail', ''];
const OPTION_NAMES = ['blksize', 'tsize', 'timeout', 'windowsize', 'BLKSIZE', 'multicast', 'rollover', ''];
const VALUES = [
  '0',
  '1',
  '7',
  '8',
  '512',
  '1468',
  '65464',
  '65465',
  '65535',
  '65536',
  '-1',
  '08',
  '1e3',
  '99999999999',
  '4',
  '64',
  '255',
  '256',
  ' 8',
  '',
];

/** The texts of a request or an OACK, without the NULs that end them. */
function textsOf(input: Uint8Array, from: number): Uint8Array[] {
  const texts: Uint8Array[] = [];
  for (let at = from; at < input.length; ) {
    const nul = input.indexOf(0, at);
    const end = nul === -1 ? input.length : nul;
    texts.push(input.subarray(at, end));
    at = end + 1;
  }
  return texts;
}

/** `at`: where the packet begins. */
export function tftpMutators(at: number): readonly Mutator[] {
  const onTexts =
    (change: (texts: Uint8Array[], random: Parameters<Mutator>[1]) => void): Mutator =>
    (input, random) => {
      const texts = textsOf(input, at + 2);
      change(texts, random);
      const body = texts.flatMap((text) => [...text, 0]);
      return replaceBytes(input, Math.min(at + 2, input.length), input.length, Uint8Array.from(body));
    };
  return [
    (input, random) =>
      replaceBytes(
        input,
        Math.min(at, input.length),
        Math.min(at + 2, input.length),
        Uint8Array.of(0, random.below(8)),
      ),
    onTexts((texts, random) => void (texts[0] = bytesOf(random.pick(NAMES)))),
    onTexts((texts, random) => void (texts[1] = bytesOf(random.pick(MODES)))),
    onTexts((texts, random) => {
      texts.push(bytesOf(random.pick(OPTION_NAMES)), bytesOf(random.pick(VALUES)));
    }),
    onTexts((texts, random) => {
      const index = 3 + 2 * random.below(Math.max(1, (texts.length - 2) >> 1));
      texts[Math.min(index, texts.length)] = bytesOf(random.pick(VALUES));
    }),
    onTexts((texts, random) => void texts.splice(random.below(Math.max(1, texts.length)), 1)),
  ];
}

export function tftpSeeds(): readonly Uint8Array[] {
  const all: readonly TftpPacket[] = [
    { kind: 'read', name: 'undionly.kpxe', mode: 'octet', options: new Map() },
    {
      kind: 'read',
      name: '/ipxe/snponly.efi',
      mode: 'octet',
      options: new Map([
        ['tsize', '0'],
        ['blksize', '1468'],
        ['windowsize', '4'],
        ['timeout', '2'],
      ]),
    },
    { kind: 'write', name: 'x', mode: 'netascii', options: new Map() },
    { kind: 'ack', block: 1 },
    { kind: 'data', block: 65535, bytes: Uint8Array.of(1, 2, 3) },
    { kind: 'error', code: 8, message: 'no' },
    { kind: 'options-ack', options: new Map([['blksize', '512']]) },
  ];
  return all.map(encodeTftpPacket);
}
