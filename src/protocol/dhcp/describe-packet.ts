import { formatIpv4, type Ipv4 } from '../../machine/ipv4.ts';
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
  const line = [...headerParts(packet), ...bootParts(packet)].join(' ');
  return line.length <= MAXIMUM_LENGTH ? line : `${line.slice(0, MAXIMUM_LENGTH - 3)}...`;
}

function headerParts(packet: DhcpPacket): readonly string[] {
  const reply = packet.op === BOOTREPLY;
  return [
    messageTypeOf(packet)?.toUpperCase() ?? unusualType(packet),
    `xid 0x${packet.xid.toString(16)}`,
    `${reply ? 'to' : 'from'} ${hardwareAddress(packet)}`,
    ...addressPart('relay', packet.giaddr),
    ...addressPart('ciaddr', packet.ciaddr),
    ...addressPart('address', packet.yiaddr),
    ...addressPart('wants', readIpv4(packet.options, OPTION.requestedAddress)),
    ...addressPart('server', readIpv4(packet.options, OPTION.serverIdentifier)),
    ...addressPart('next', packet.siaddr),
  ];
}

function unusualType(packet: DhcpPacket): string {
  const value = packet.options.get(OPTION.messageType);
  return value === undefined ? `BOOTP op ${packet.op}` : `type ${value.subarray(0, MAXIMUM_LIST).join('.')}`;
}

function hardwareAddress(packet: DhcpPacket): string {
  const bytes = packet.chaddr.subarray(0, packet.hlen);
  if (bytes.length === 0) return 'no hardware address';
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(':');
}

function addressPart(name: string, address: Ipv4 | undefined): readonly string[] {
  return address === undefined || address === 0 ? [] : [`${name} ${formatIpv4(address)}`];
}

function bootParts({ file, options }: DhcpPacket): readonly string[] {
  const parts: string[] = [];
  const vendorClass = options.get(OPTION.vendorClass);
  if (vendorClass !== undefined) parts.push(quote(vendorClass));
  const architectures = decodeClientArchitectures(options.get(OPTION.clientArchitecture) ?? new Uint8Array());
  if (architectures.length > 0) parts.push(`arch ${architectures.slice(0, MAXIMUM_LIST).join(',')}`);
  const userClass = options.get(OPTION.userClass);
  if (userClass !== undefined)
    parts.push(`class ${quote(latin1ToBytes(decodeUserClass(userClass).join(',')))}`);
  const ipxe = options.get(OPTION.ipxe);
  if (ipxe !== undefined) parts.push(describeIpxe(ipxe));
  const control = decodePxeVendorOptions(
    options.get(OPTION.vendorSpecific) ?? new Uint8Array(),
  ).discoveryControl;
  if (control !== undefined) parts.push(`discovery ${control}`);
  const bootfile = options.get(OPTION.bootfileName) ?? latin1ToBytes(file);
  if (bootfile.length > 0) parts.push(`file ${quote(bootfile)}`);
  return parts;
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
