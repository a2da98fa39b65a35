import { OPTION } from '../../../src/protocol/dhcp/option-codes.ts';
import { encodeDhcpPacket } from '../../../src/protocol/dhcp/packet.ts';
import { samplePacket } from '../../protocol/dhcp/sample-packets.ts';
import { replaceBytes } from '../engine/mutate-bytes.ts';
import type { Random } from '../engine/random.ts';
import type { Mutator } from '../engine/target.ts';
import { option, optionMutators } from './tag-length-value.ts';

/** Offsets in a DHCP message (RFC 2131 section 2). */
const HLEN = 2;
const FLAGS = 10;
const CIADDR = 12;
const GIADDR = 24;
const CHADDR = 28;
const SNAME = 44;
const FILE = 108;
const OPTIONS = 240;

const text = (value: string): readonly number[] => [...Buffer.from(value, 'latin1')];

/** Addresses that the small world of the targets knows, and some that nobody should believe. */
export const ADDRESSES: readonly (readonly number[])[] = [
  [10, 77, 0, 1],
  [10, 77, 0, 100],
  [10, 77, 0, 101],
  [10, 77, 0, 102],
  [10, 77, 0, 50],
  [10, 77, 0, 255],
  [10, 78, 0, 1],
  [10, 78, 0, 100],
  [192, 168, 1, 1],
  [0, 0, 0, 0],
  [127, 0, 0, 1],
  [224, 0, 0, 1],
  [255, 255, 255, 255],
];

export const MACS: readonly (readonly number[])[] = [
  [0x52, 0x54, 0, 0x12, 0x34, 0x56],
  [0x52, 0x54, 0, 0x12, 0x34, 0x57],
  [0x52, 0x54, 0, 0x12, 0x34, 0x58],
  [0, 0, 0, 0, 0, 0],
  [255, 255, 255, 255, 255, 255],
];

const VENDOR_CLASSES = [
  'PXEClient:Arch:00000:UNDI:002001',
  'PXEClient:Arch:00007:UNDI:003016',
  'PXEClient:Arch:00011:UNDI:003000',
  'HTTPClient:Arch:00016:UNDI:003001',
  'PXEClient',
  'HTTPClient',
  'PXEClient:Arch:99999',
  'udhcp 1.35.0',
  'PXEClient\0\0',
];
const UUID = [
  0, 0xd1, 0x7e, 0x2c, 0x0b, 0x8e, 0x1f, 0x60, 0x4f, 0x9d, 0x75, 0x2b, 0x7f, 0x0d, 0x2a, 0x8f, 0x11,
];

/** What options hold that this project reads. */
export function dhcpValue(code: number, random: Random): readonly number[] | undefined {
  switch (code) {
    case OPTION.messageType:
      return [random.oneIn(8) ? random.below(256) : 1 + random.below(8)];
    case OPTION.requestedAddress:
    case OPTION.serverIdentifier:
    case OPTION.subnetSelection:
      return random.pick(ADDRESSES);
    case OPTION.vendorClass:
      return text(random.pick(VENDOR_CLASSES));
    case OPTION.clientArchitecture:
      return random.pick([
        [0, 0],
        [0, 6],
        [0, 7],
        [0, 9],
        [0, 11],
        [0, 16],
        [0, 19],
        [0, 25],
        [7],
        [0, 99, 0, 7],
        [0, 7, 0],
      ]);
    case OPTION.clientNetworkInterface:
      return [1, 3, 16];
    case OPTION.clientUuid:
      return random.oneIn(3) ? UUID.slice(1) : UUID;
    case OPTION.userClass:
      return random.pick([
        text('iPXE'),
        text('tinderbox'),
        text('\x04iPXE'),
        text('\x01a\x09tinderbox'),
        [0],
        [4, 105],
      ]);
    case OPTION.maximumMessageSize:
      return random.pick([
        [2, 64],
        [5, 220],
        [0, 0],
        [255, 255],
        [1, 0],
      ]);
    case OPTION.overload:
      return [random.pick([0, 1, 2, 3, 4, 255])];
    case OPTION.vendorSpecific:
      return inner(random, [6, 7, 8, 9, 10, 71], true);
    case OPTION.relayAgentInformation:
      return inner(random, [1, 2, 5, 6, 11, 151], false);
    case OPTION.ipxe:
      return inner(random, [1, 8, 16, 19, 20, 36, 85, 176, 177, 190, 235], true);
    case OPTION.hostName:
    case OPTION.clientIdentifier:
      return text('host\u001b[31m');
    default:
      return undefined;
  }
}

/** Options within an option. */
function inner(random: Random, codes: readonly number[], padded: boolean): readonly number[] {
  const count = random.below(4);
  const parts = Array.from({ length: count }, () => {
    const length = random.pick([0, 1, 1, 2, 3, 4, 4, 5, 8, 32, 128, 250]);
    const value =
      random.oneIn(3) && length === 4
        ? random.pick(ADDRESSES)
        : Array.from({ length }, () => random.below(256));
    const made = [...option(random.pick(codes), value)];
    if (random.oneIn(8)) made[1] = random.below(256);
    return made;
  });
  return [...parts.flat(), ...(padded && random.oneIn(2) ? [255] : [])].slice(0, 255);
}

const CODES = [
  OPTION.messageType,
  OPTION.messageType,
  OPTION.requestedAddress,
  OPTION.serverIdentifier,
  OPTION.vendorClass,
  OPTION.clientArchitecture,
  OPTION.clientNetworkInterface,
  OPTION.clientUuid,
  OPTION.userClass,
  OPTION.maximumMessageSize,
  OPTION.overload,
  OPTION.vendorSpecific,
  OPTION.relayAgentInformation,
  OPTION.ipxe,
  OPTION.hostName,
  OPTION.clientIdentifier,
  OPTION.parameterRequestList,
  OPTION.subnetSelection,
  OPTION.rapidCommit,
];

const optionIn = (most: number, random: Random): readonly number[] => {
  const code = random.pick(CODES);
  return [...option(code, dhcpValue(code, random)?.slice(0, most) ?? [])];
};

/** Changes of a DHCP message that begins at `at` of the input. */
export function dhcpMutators(at: number): readonly Mutator[] {
  const put =
    (offset: number, values: (random: Random) => readonly number[]): Mutator =>
    (input, random) => {
      const value = Uint8Array.from(values(random));
      const start = at + offset;
      return start + value.length > input.length
        ? input
        : replaceBytes(input, start, start + value.length, value);
    };
  return [
    ...optionMutators({ from: at + OPTIONS, codes: CODES, values: dhcpValue }),
    put(0, (random) => [random.pick([1, 1, 1, 2, 0])]),
    put(HLEN, (random) => [random.pick([6, 6, 6, 0, 16, 255])]),
    put(FLAGS, (random) => [random.pick([0, 0x80]), 0]),
    put(CIADDR, (random) => random.pick(ADDRESSES)),
    put(GIADDR, (random) => random.pick(ADDRESSES)),
    put(CHADDR, (random) => random.pick(MACS)),
    // Options in `sname` and `file`, as overload has them.
    put(SNAME, (random) => optionIn(60, random)),
    put(FILE, (random) => optionIn(120, random)),
  ];
}

/** Messages of firmware and of systems, by what they ask. */
export function dhcpSeeds(): readonly Uint8Array[] {
  const discover: [number, Uint8Array][] = [
    [OPTION.messageType, Uint8Array.of(1)],
    [OPTION.vendorClass, Uint8Array.from(text('PXEClient:Arch:00000:UNDI:002001'))],
    [OPTION.clientArchitecture, Uint8Array.of(0, 0)],
    [OPTION.clientUuid, Uint8Array.from(UUID)],
  ];
  const request: [number, Uint8Array][] = [
    [OPTION.messageType, Uint8Array.of(3)],
    [OPTION.requestedAddress, Uint8Array.of(10, 77, 0, 100)],
    [OPTION.serverIdentifier, Uint8Array.of(10, 77, 0, 1)],
  ];
  const ipxe: [number, Uint8Array][] = [
    [OPTION.messageType, Uint8Array.of(1)],
    [OPTION.userClass, Uint8Array.from(text('iPXE'))],
    [OPTION.ipxe, Uint8Array.of(19, 1, 1, 235, 3, 1, 21, 1)],
    [OPTION.clientArchitecture, Uint8Array.of(0, 7)],
  ];
  return [discover, request, ipxe].map((options) =>
    encodeDhcpPacket(samplePacket({ options: new Map(options) })),
  );
}
