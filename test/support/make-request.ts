import type { Ipv4 } from '../../src/machine/ipv4.ts';
import { type Mac, macToBytes, parseMac } from '../../src/machine/mac.ts';
import { encodeClientArchitectures } from '../../src/protocol/dhcp/option-93.ts';
import { encodeIpxeOptions } from '../../src/protocol/dhcp/option-175.ts';
import { encodeMessageType, type MessageType, OPTION } from '../../src/protocol/dhcp/option-codes.ts';
import { ipv4Value, textValue } from '../../src/protocol/dhcp/option-values.ts';
import { BOOTREQUEST, type DhcpPacket } from '../../src/protocol/dhcp/packet.ts';

export const MAC = parseMac('52:54:00:12:34:56') as Mac;

export interface RequestShape {
  readonly type?: MessageType;
  readonly mac?: Mac;
  readonly vendorClass?: string;
  readonly userClass?: string;
  readonly architectures?: readonly number[];
  readonly ipxeFeatures?: readonly string[];
  readonly requested?: Ipv4;
  readonly server?: Ipv4;
  readonly ciaddr?: Ipv4;
  readonly giaddr?: Ipv4;
  readonly flags?: number;
  readonly hlen?: number;
  /** Any other option, raw. */
  readonly raw?: readonly (readonly [number, Uint8Array])[];
}

/** A client's message, as firmware or an operating system would send it. */
export function makeRequest(shape: RequestShape = {}): DhcpPacket {
  const options = new Map<number, Uint8Array>();
  options.set(OPTION.messageType, encodeMessageType(shape.type ?? 'discover'));
  if (shape.vendorClass !== undefined) options.set(OPTION.vendorClass, textValue(shape.vendorClass));
  if (shape.userClass !== undefined) options.set(OPTION.userClass, textValue(shape.userClass));
  if (shape.architectures !== undefined) {
    options.set(OPTION.clientArchitecture, encodeClientArchitectures(shape.architectures));
  }
  if (shape.ipxeFeatures !== undefined)
    options.set(OPTION.ipxe, encodeIpxeOptions({ features: shape.ipxeFeatures }));
  if (shape.requested !== undefined) options.set(OPTION.requestedAddress, ipv4Value(shape.requested));
  if (shape.server !== undefined) options.set(OPTION.serverIdentifier, ipv4Value(shape.server));
  for (const [code, bytes] of shape.raw ?? []) options.set(code, bytes);
  const chaddr = new Uint8Array(16);
  chaddr.set(macToBytes(shape.mac ?? MAC));
  return {
    op: BOOTREQUEST,
    htype: 1,
    hlen: shape.hlen ?? 6,
    hops: 0,
    xid: 0x12345678,
    secs: 0,
    flags: shape.flags ?? 0x8000,
    ciaddr: shape.ciaddr ?? (0 as Ipv4),
    yiaddr: 0 as Ipv4,
    siaddr: 0 as Ipv4,
    giaddr: shape.giaddr ?? (0 as Ipv4),
    chaddr,
    sname: '',
    file: '',
    options,
  };
}

export const UEFI_ROM = { vendorClass: 'PXEClient:Arch:00007:UNDI:003016', architectures: [7] } as const;
export const BIOS_ROM = { vendorClass: 'PXEClient:Arch:00000:UNDI:002001', architectures: [0] } as const;
export const IPXE = {
  vendorClass: 'PXEClient:Arch:00007:UNDI:003016',
  userClass: 'iPXE',
  architectures: [7],
  ipxeFeatures: ['http', 'tftp'],
} as const;
