import { formatIpv4, type Ipv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { type Mac, macFromBytes, macToBytes } from '../machine/mac.ts';
import { DhcpDecodeError } from '../protocol/dhcp/dhcp-decode-error.ts';
import { escapeText } from '../protocol/dhcp/escape-text.ts';
import { latin1ToBytes } from '../protocol/dhcp/latin1.ts';
import { encodeClientArchitectures } from '../protocol/dhcp/option-93.ts';
import { encodeMessageType, messageTypeOf, OPTION } from '../protocol/dhcp/option-codes.ts';
import { readIpv4, readIpv4List, readText, readUint32, textValue } from '../protocol/dhcp/option-values.ts';
import {
  BOOTREPLY,
  BOOTREQUEST,
  type DhcpPacket,
  decodeDhcpPacket,
  encodeDhcpPacket,
} from '../protocol/dhcp/packet.ts';

/** Who asks which DHCP servers there are: nobody's address, so that no reservation is met by accident. */
export interface DhcpProbe {
  readonly mac: Mac;
  /** 32 bits. */
  readonly xid: number;
}

/** Another DHCP server, and what it would have given to a machine that it does not know. */
export interface FoundDhcpServer {
  readonly server: Ipv4;
  /** Of the server, where it is in the same network. */
  readonly mac?: Mac;
  readonly offered: Ipv4;
  readonly netmask?: Ipv4;
  readonly router?: Ipv4;
  readonly dns: readonly Ipv4[];
  readonly domain?: string;
  /** Seconds. */
  readonly leaseTime?: number;
}

/** A server that names a boot file to firmware, and where the file is to be fetched if not from it. */
export interface FoundBootServer {
  readonly server: Ipv4;
  /** Printable ASCII. */
  readonly bootfile: string;
  readonly nextServer?: Ipv4;
}

/** Characters of a boot file's name. */
const LONGEST_NAME = 128;
const ETHERNET = 1;
/** RFC 2131 section 2: the reply is to be broadcast, since who asks has not got the address that it is offered. */
const BROADCAST_FLAG = 0x8000;
const WANTED = [
  OPTION.subnetMask,
  OPTION.router,
  OPTION.domainNameServer,
  OPTION.domainName,
  OPTION.leaseTime,
  OPTION.serverIdentifier,
];

/** `random`: ten bytes. A locally administered address (IEEE 802: bit 1 set, bit 0 clear), which is nobody's. */
export function makeProbe(random: Uint8Array): DhcpProbe {
  const address = Uint8Array.from(random.subarray(0, 6));
  address[0] = ((address[0] ?? 0) & 0xfc) | 0x02;
  const xid = new DataView(random.buffer, random.byteOffset + 6, 4).getUint32(0);
  return { mac: macFromBytes(address), xid };
}

/**
 * Whose name a probe on this interface is sent in: the same for every program of this host, so that its own daemon knows
 * it, and the pool of a server loses one address at the most. Locally administered, and not the interface's own.
 */
export function probeMac(ofInterface: Mac): Mac {
  const address = macToBytes(ofInterface);
  address[0] = (((address[0] ?? 0) ^ 0x40) & 0xfc) | 0x02;
  return macFromBytes(address);
}

/**
 * A DISCOVER that asks for no address in particular. What is offered is never requested: the server forgets the offer
 * within a minute or so, and the same `mac` is offered the same address each time.
 */
export function encodeProbe(probe: DhcpProbe): Uint8Array {
  return encode(probe, [[OPTION.parameterRequestList, Uint8Array.from(WANTED)]]);
}

/** The same as UEFI firmware asks: many servers name their boot file only to who says that it boots from the network. */
export function encodeBootProbe(probe: DhcpProbe): Uint8Array {
  return encode(probe, [
    [OPTION.parameterRequestList, Uint8Array.from([...WANTED, OPTION.tftpServerName, OPTION.bootfileName])],
    [OPTION.vendorClass, textValue('PXEClient:Arch:00007:UNDI:003016')],
    [OPTION.clientArchitecture, encodeClientArchitectures([7])],
  ]);
}

function encode({ mac, xid }: DhcpProbe, more: readonly (readonly [number, Uint8Array])[]): Uint8Array {
  const chaddr = new Uint8Array(16);
  chaddr.set(macToBytes(mac));
  return encodeDhcpPacket({
    op: BOOTREQUEST,
    htype: ETHERNET,
    hlen: 6,
    hops: 0,
    xid,
    secs: 0,
    flags: BROADCAST_FLAG,
    ciaddr: UNSPECIFIED,
    yiaddr: UNSPECIFIED,
    siaddr: UNSPECIFIED,
    giaddr: UNSPECIFIED,
    chaddr,
    sname: '',
    file: '',
    options: new Map([[OPTION.messageType, encodeMessageType('discover')], ...more]),
  });
}

/** Who names a boot file, with or without an address; undefined for everything else. Never throws. */
export function readBootProbeReply(bytes: Uint8Array, probe: DhcpProbe): FoundBootServer | undefined {
  const packet = readOffer(bytes, probe);
  if (packet === undefined) return undefined;
  const { options, siaddr, file } = packet;
  const server = readIpv4(options, OPTION.serverIdentifier);
  const bootfile = readText(options, OPTION.bootfileName) ?? file;
  if (server === undefined || bootfile === '') return undefined;
  // PXE's boot servers and menus (option 43) name no file here, and are asked for it on port 4011.
  const elsewhere = siaddr === UNSPECIFIED || siaddr === server ? undefined : siaddr;
  return {
    server,
    bootfile: escapeText(latin1ToBytes(bootfile), LONGEST_NAME),
    ...(elsewhere === undefined ? {} : { nextServer: elsewhere }),
  };
}

function readOffer(bytes: Uint8Array, probe: DhcpProbe): DhcpPacket | undefined {
  try {
    const packet = decodeDhcpPacket(bytes);
    if (packet.op !== BOOTREPLY || packet.xid !== probe.xid) return undefined;
    if (macFromBytes(packet.chaddr) !== probe.mac || messageTypeOf(packet) !== 'offer') return undefined;
    return packet;
  } catch (error) {
    if (error instanceof DhcpDecodeError) return undefined;
    throw error;
  }
}

/** Undefined for everything that is no offer to this probe. Never throws. */
export function readProbeReply(bytes: Uint8Array, probe: DhcpProbe): FoundDhcpServer | undefined {
  const packet = readOffer(bytes, probe);
  if (packet === undefined) return undefined;
  const { options, yiaddr } = packet;
  const server = readIpv4(options, OPTION.serverIdentifier);
  // A proxy offers no address: it is no server of the kind that two of cannot be.
  if (server === undefined || yiaddr === UNSPECIFIED) return undefined;
  const netmask = readIpv4(options, OPTION.subnetMask);
  const router = readIpv4List(options, OPTION.router)?.[0];
  const domain = readText(options, OPTION.domainName);
  const leaseTime = readUint32(options, OPTION.leaseTime);
  return {
    server,
    offered: yiaddr,
    dns: readIpv4List(options, OPTION.domainNameServer) ?? [],
    ...(netmask === undefined ? {} : { netmask }),
    ...(router === undefined ? {} : { router }),
    ...(domain === undefined ? {} : { domain }),
    ...(leaseTime === undefined ? {} : { leaseTime }),
  };
}

/** `10.77.0.2 (52:54:00:12:34:56)`. */
export function nameDhcpServer({ server, mac }: Pick<FoundDhcpServer, 'server' | 'mac'>): string {
  return mac === undefined ? formatIpv4(server) : `${formatIpv4(server)} (${mac})`;
}

/** `10.77.0.2 (52:54:00:12:34:56), which offered 10.77.0.57, router 10.77.0.254`. */
export function describeDhcpServer(found: Omit<FoundDhcpServer, 'dns'>): string {
  const way = found.router === undefined ? '' : `, router ${formatIpv4(found.router)}`;
  return `${nameDhcpServer(found)}, which offered ${formatIpv4(found.offered)}${way}`;
}
