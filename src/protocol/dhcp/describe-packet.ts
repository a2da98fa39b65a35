import { formatIpv4, type Ipv4 } from '../../machine/ipv4.ts';
import { macFromBytes } from '../../machine/mac.ts';
import { escapeText } from './escape-text.ts';
import { latin1ToBytes } from './latin1.ts';
import { decodePxeVendorOptions } from './option-43.ts';
import { decodeUserClass } from './option-77.ts';
import { decodeClientArchitectures } from './option-93.ts';
import { decodeIpxeOptions } from './option-175.ts';
import { messageTypeOf, OPTION } from './option-codes.ts';
import { readIpv4 } from './option-values.ts';
import { BOOTREPLY, type DhcpPacket } from './packet.ts';

/** Longest summary. */
const MAXIMUM_LENGTH = 300;
/** Longest part that a stranger wrote. */
const MAXIMUM_PART = 64;
/** More architectures than this in one packet are noise. */
const MAXIMUM_LIST = 4;

/**
 * One line for events and logs, such as `DISCOVER xid 0x1234 from 52:54:00:12:34:56 "PXEClient:Arch:00007:UNDI:003016"
 * arch 7`. Printable ASCII of at most 300 characters, whatever the packet holds. Never throws.
 */
export function describePacket(packet: DhcpPacket): string {
  const line = describeHeader(packet) + describeBoot(packet);
  return line.length <= MAXIMUM_LENGTH ? line : `${line.slice(0, MAXIMUM_LENGTH - 3)}...`;
}

/** Pieces one after the other and no lists of them: this is called with each packet. */
function describeHeader(packet: DhcpPacket): string {
  const type = messageTypeOf(packet)?.toUpperCase() ?? unusualType(packet);
  const direction = packet.op === BOOTREPLY ? 'to' : 'from';
  return (
    `${type} xid 0x${packet.xid.toString(16)} ${direction} ${hardwareAddress(packet)}` +
    addressPart('relay', packet.giaddr) +
    addressPart('ciaddr', packet.ciaddr) +
    addressPart('address', packet.yiaddr) +
    addressPart('wants', readIpv4(packet.options, OPTION.requestedAddress)) +
    addressPart('server', readIpv4(packet.options, OPTION.serverIdentifier)) +
    addressPart('next', packet.siaddr)
  );
}

function unusualType(packet: DhcpPacket): string {
  const value = packet.options.get(OPTION.messageType);
  return value === undefined ? `BOOTP op ${packet.op}` : `type ${value.subarray(0, MAXIMUM_LIST).join('.')}`;
}

function hardwareAddress({ chaddr, hlen }: DhcpPacket): string {
  if (hlen === 6) return macFromBytes(chaddr);
  const bytes = chaddr.subarray(0, hlen);
  if (bytes.length === 0) return 'no hardware address';
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function addressPart(name: string, address: Ipv4 | undefined): string {
  return address === undefined || address === 0 ? '' : ` ${name} ${formatIpv4(address)}`;
}

function describeBoot({ file, options }: DhcpPacket): string {
  let line = '';
  const vendorClass = options.get(OPTION.vendorClass);
  if (vendorClass !== undefined) line += ` ${quote(vendorClass)}`;
  const architecture = options.get(OPTION.clientArchitecture);
  const architectures = architecture === undefined ? [] : decodeClientArchitectures(architecture);
  if (architectures.length > 0) line += ` arch ${architectures.slice(0, MAXIMUM_LIST).join(',')}`;
  const userClass = options.get(OPTION.userClass);
  if (userClass !== undefined) line += ` class ${quote(latin1ToBytes(decodeUserClass(userClass).join(',')))}`;
  const ipxe = options.get(OPTION.ipxe);
  if (ipxe !== undefined) line += ` ${describeIpxe(ipxe)}`;
  const vendorOptions = options.get(OPTION.vendorSpecific);
  const control =
    vendorOptions === undefined ? undefined : decodePxeVendorOptions(vendorOptions).discoveryControl;
  if (control !== undefined) line += ` discovery ${control}`;
  const bootfile = options.get(OPTION.bootfileName);
  if (bootfile !== undefined || file !== '') {
    const bytes = bootfile ?? latin1ToBytes(file);
    if (bytes.length > 0) line += ` file ${quote(bytes)}`;
  }
  return line;
}

function describeIpxe(bytes: Uint8Array): string {
  const { version, features, noPxeDhcp } = decodeIpxeOptions(bytes);
  const words = [
    'iPXE',
    ...(version === undefined ? [] : [version.slice(0, MAXIMUM_PART)]),
    ...(features.includes('http') ? ['http'] : []),
    ...(noPxeDhcp === true ? ['no-pxedhcp'] : []),
  ];
  return words.join(' ');
}

function quote(bytes: Uint8Array): string {
  return `"${escapeText(bytes, MAXIMUM_PART)}"`;
}
