import { isDeepStrictEqual } from 'node:util';
import { DhcpDecodeError } from '../../../src/protocol/dhcp/dhcp-decode-error.ts';
import { decodePxeVendorOptions, encodePxeVendorOptions } from '../../../src/protocol/dhcp/option-43.ts';
import { decodeVendorClass } from '../../../src/protocol/dhcp/option-60.ts';
import { decodeUserClass, encodeUserClasses } from '../../../src/protocol/dhcp/option-77.ts';
import {
  decodeRelayAgentInformation,
  encodeRelayAgentInformation,
} from '../../../src/protocol/dhcp/option-82.ts';
import {
  decodeClientArchitectures,
  encodeClientArchitectures,
} from '../../../src/protocol/dhcp/option-93.ts';
import { decodeClientUuid, encodeClientUuid } from '../../../src/protocol/dhcp/option-97.ts';
import { decodeIpxeOptions, encodeIpxeOptions } from '../../../src/protocol/dhcp/option-175.ts';
import { OPTION } from '../../../src/protocol/dhcp/option-codes.ts';
import { describeOption, describePacket } from '../../../src/protocol/dhcp/option-dictionary.ts';
import { readIpv4List, readText } from '../../../src/protocol/dhcp/option-values.ts';
import {
  type DhcpPacket,
  decodeDhcpPacket,
  encodeDhcpPacket,
  MAXIMUM_FILE_LENGTH,
  MAXIMUM_SNAME_LENGTH,
} from '../../../src/protocol/dhcp/packet.ts';
import { type FuzzTarget, hold, refusalOf } from '../engine/target.ts';
import { dhcpMutators, dhcpSeeds } from '../formats/dhcp-packets.ts';
import { isPrintableAscii } from '../formats/printable.ts';

const bytes = (value: Uint8Array): string => Buffer.from(value).toString('hex');

/** Decoding what was encoded gives the same again: `again` of `value` is `value`. */
function same(what: string, value: unknown, again: unknown): void {
  hold(
    isDeepStrictEqual(value, again),
    () => `${what}: ${JSON.stringify(value)} became ${JSON.stringify(again)}`,
  );
}

const plain = (packet: DhcpPacket) => ({
  ...packet,
  chaddr: bytes(packet.chaddr),
  options: Object.fromEntries([...packet.options].map(([code, value]) => [code, bytes(value)])),
});

/** Options as RFC 2132 and RFC 3396 have them, read without any thought of speed; undefined for what is no message. */
function readPlainly(input: Uint8Array): Readonly<Record<number, string>> | undefined {
  if (input.length < 240 || bytes(input.subarray(236, 240)) !== '63825363') return undefined;
  const options: Record<number, string> = {};
  const readArea = (area: readonly number[]): boolean => {
    const left = [...area];
    for (let code = left.shift(); code !== undefined && code !== 255; code = left.shift()) {
      if (code === 0) continue;
      const length = left.shift();
      if (length === undefined || length > left.length) return false;
      options[code] = (options[code] ?? '') + bytes(Uint8Array.from(left.splice(0, length)));
    }
    return true;
  };
  if (!readArea([...input.subarray(240)])) return undefined;
  const overload = options[52];
  if (overload === undefined) return options;
  if (!['01', '02', '03'].includes(overload)) return undefined;
  if (overload !== '02' && !readArea([...input.subarray(108, 236)])) return undefined;
  if (overload !== '01' && !readArea([...input.subarray(44, 108)])) return undefined;
  delete options[52];
  return options;
}

function checkOption(code: number, value: Uint8Array): void {
  const { name, text } = describeOption(code, value);
  hold(
    isPrintableAscii(name) && isPrintableAscii(text),
    () => `option ${code} is shown as ${JSON.stringify(text)}`,
  );
  hold(text.length <= 202, () => `option ${code} is shown in ${text.length} characters`);
  switch (code) {
    case OPTION.vendorSpecific: {
      const { all: _, ...read } = decodePxeVendorOptions(value);
      const { all: __, ...again } = decodePxeVendorOptions(encodePxeVendorOptions(read));
      return same('option 43', read, again);
    }
    case OPTION.vendorClass:
      return void decodeVendorClass(value);
    case OPTION.userClass: {
      const read = decodeUserClass(value);
      if (read.every((one) => one.length < 256))
        same('option 77', read, decodeUserClass(encodeUserClasses(read)));
      return;
    }
    case OPTION.relayAgentInformation: {
      const { all: _, ...read } = decodeRelayAgentInformation(value);
      const { all: __, ...again } = decodeRelayAgentInformation(encodeRelayAgentInformation(read));
      return same('option 82', read, again);
    }
    case OPTION.clientArchitecture: {
      const read = decodeClientArchitectures(value);
      return same('option 93', read, decodeClientArchitectures(encodeClientArchitectures(read)));
    }
    case OPTION.clientUuid: {
      const uuid = decodeClientUuid(value);
      if (uuid !== undefined) same('option 97', bytes(value), bytes(encodeClientUuid(uuid)));
      return;
    }
    case OPTION.ipxe: {
      const { all: _, ...read } = decodeIpxeOptions(value);
      const { all: __, ...again } = decodeIpxeOptions(encodeIpxeOptions(read));
      return same('option 175', read, again);
    }
    default:
      return;
  }
}

export const target: FuzzTarget = {
  what: 'the options of a DHCP message, one by one, and the line that events and logs have of it',
  aims: ['protocol/dhcp/'],
  maxLength: 2048,
  seeds: dhcpSeeds,
  mutators: dhcpMutators(0),
  dictionary: ['PXEClient', 'iPXE', ':Arch:', ':UNDI:'],
  run(input) {
    let packet: DhcpPacket | undefined;
    const refused = refusalOf(DhcpDecodeError, () => void (packet = decodeDhcpPacket(input)));
    const plainly = readPlainly(input);
    hold(
      (refused === undefined) === (plainly !== undefined),
      () => `${refused?.message ?? 'it is read'}, to a plainer reader the other way round`,
    );
    if (refused !== undefined)
      return hold(isPrintableAscii(refused.message), 'a refusal that is not printable');
    if (packet === undefined) return;
    same('the options', plainly, plain(packet).options);
    const line = describePacket(packet);
    hold(isPrintableAscii(line) && line.length <= 300, () => `the line is ${JSON.stringify(line)}`);
    for (const [code, value] of packet.options) {
      checkOption(code, value);
      readText(packet.options, code);
      readIpv4List(packet.options, code);
    }
    hold(!packet.options.has(OPTION.overload), 'option 52 is content');
    // Fields that are full to their last byte are read, and are not written.
    if (packet.sname.length > MAXIMUM_SNAME_LENGTH || packet.file.length > MAXIMUM_FILE_LENGTH) return;
    const again = decodeDhcpPacket(encodeDhcpPacket(packet));
    same('the packet', plain(packet), plain(again));
  },
};
