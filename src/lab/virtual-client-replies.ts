import { formatIpv4, type Ipv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { decodePxeVendorOptions, PXE_SUBOPTION } from '../protocol/dhcp/option-43.ts';
import { decodeVendorClass, type NetworkBootClass } from '../protocol/dhcp/option-60.ts';
import { decodeIpxeOptions } from '../protocol/dhcp/option-175.ts';
import { type MessageType, messageTypeOf, OPTION } from '../protocol/dhcp/option-codes.ts';
import { readIpv4, readText } from '../protocol/dhcp/option-values.ts';
import type { DhcpPacket } from '../protocol/dhcp/packet.ts';

/** What a booting machine reads out of a server's reply. */
export interface Reply {
  readonly packet: DhcpPacket;
  readonly from: Ipv4;
  readonly type: MessageType | undefined;
  /** `yiaddr`; 0.0.0.0 in a proxy's offer. */
  readonly address: Ipv4;
  /** Option 54. */
  readonly server: Ipv4;
  readonly vendorClass: NetworkBootClass | 'other';
  /** Option 67, else the header's `file`; '' where there is none. */
  readonly bootFile: string;
  /** `siaddr`, else the server identifier (code: EDK2 and iPXE both). */
  readonly bootServer: Ipv4;
  /** Option 43 has one of its sub-options 6–10: this is a whole PXE offer. */
  readonly pxeControl: boolean;
  /** The first item of the boot menu, as it is asked for in sub-option 71. */
  readonly bootItem?: Uint8Array;
  readonly hostname: string;
  readonly prefix: number;
  readonly noPxeDhcp: boolean;
}

const CONTROL_SUBOPTIONS = [
  PXE_SUBOPTION.discoveryControl,
  PXE_SUBOPTION.multicastAddress,
  PXE_SUBOPTION.bootServers,
  PXE_SUBOPTION.bootMenu,
  PXE_SUBOPTION.menuPrompt,
];

/** Never throws: what a reply leaves out reads as 0.0.0.0 or ''. */
export function readReply(packet: DhcpPacket, from: Ipv4): Reply {
  const { options } = packet;
  const server = readIpv4(options, OPTION.serverIdentifier) ?? UNSPECIFIED;
  const vendor = decodePxeVendorOptions(options.get(OPTION.vendorSpecific) ?? new Uint8Array()).all;
  const menu = vendor.get(PXE_SUBOPTION.bootMenu);
  const mask = readIpv4(options, OPTION.subnetMask);
  return {
    packet,
    from,
    type: messageTypeOf(packet),
    address: packet.yiaddr,
    server,
    vendorClass: decodeVendorClass(options.get(OPTION.vendorClass) ?? new Uint8Array()).kind,
    bootFile: readText(options, OPTION.bootfileName) || packet.file,
    bootServer: packet.siaddr === UNSPECIFIED ? server : packet.siaddr,
    pxeControl: CONTROL_SUBOPTIONS.some((code) => vendor.has(code)),
    // A menu entry is type (2), length (1), text; what is asked for is type (2) and layer (2).
    ...(menu === undefined || menu.length < 2
      ? {}
      : { bootItem: Uint8Array.of(...menu.subarray(0, 2), 0, 0) }),
    hostname: readText(options, OPTION.hostName) ?? '',
    prefix: mask === undefined ? 24 : mask.toString(2).replace(/0+$/, '').length,
    noPxeDhcp: decodeIpxeOptions(options.get(OPTION.ipxe) ?? new Uint8Array()).noPxeDhcp ?? false,
  };
}

export function isAddressOffer(reply: Reply): boolean {
  return reply.type === 'offer' && reply.address !== UNSPECIFIED;
}

/** An offer without an address that says it speaks to network boots. */
export function isProxyOffer(reply: Reply): boolean {
  return reply.type === 'offer' && reply.address === UNSPECIFIED && reply.vendorClass !== 'other';
}

/** `OFFER 10.77.0.100 from 10.77.0.1, boot file snponly.efi at 10.77.0.1`. */
export function describeReply(reply: Reply): string {
  const type = (reply.type ?? 'reply').toUpperCase();
  const proxy = reply.address === UNSPECIFIED && reply.vendorClass !== 'other';
  const name = proxy ? `proxy ${type}` : `${type} ${formatIpv4(reply.address)}`;
  const file =
    reply.bootFile === '' ? '' : `, boot file ${reply.bootFile} at ${formatIpv4(reply.bootServer)}`;
  return `${name} from ${formatIpv4(reply.server === UNSPECIFIED ? reply.from : reply.server)}${file}`;
}
