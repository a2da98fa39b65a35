import {
  broadcastOf,
  formatIpv4,
  type Ipv4,
  LIMITED_BROADCAST,
  netmask,
  UNSPECIFIED,
} from '../machine/ipv4.ts';
import { decodePxeVendorOptions, encodePxeVendorOptions, PXE_DISCOVERY } from '../protocol/dhcp/option-43.ts';
import { encodeVendorClass } from '../protocol/dhcp/option-60.ts';
import { encodeIpxeOptions } from '../protocol/dhcp/option-175.ts';
import { encodeMessageType, type MessageType, messageTypeOf, OPTION } from '../protocol/dhcp/option-codes.ts';
import {
  ipv4Value,
  readIpv4,
  textValue,
  textValueWithNul,
  uint16Value,
  uint32Value,
} from '../protocol/dhcp/option-values.ts';
import { BOOTREPLY, type DhcpPacket, MAXIMUM_FILE_LENGTH } from '../protocol/dhcp/packet.ts';
import type { NetworkClient } from './identify-client.ts';
import type { Subnet } from './subnet.ts';

/** What a boot client is told besides an address. */
export interface BootAnswer {
  readonly client: NetworkClient;
  /** A file name or a URL: goes into `file` and option 67. */
  readonly bootfile: string;
  /** `proxy`: beside another server's addresses; `server`: with ours; `port4011`: the boot server itself. */
  readonly plane: 'proxy' | 'server' | 'port4011';
  /** Whether a UEFI's proxy offer says it all, or sends it on to port 4011. */
  readonly uefiProxy: 'pxe' | 'offer';
  /** The server takes syslog on port 514. */
  readonly syslog?: boolean;
}

/** What a client of ours is told of its address. */
export interface AddressAnswer {
  /** UNSPECIFIED in answer to INFORM. */
  readonly address: Ipv4;
  readonly subnet: Subnet;
  readonly hostname: string | undefined;
}

export interface ReplyInput {
  readonly request: DhcpPacket;
  readonly type: Extract<MessageType, 'offer' | 'ack' | 'nak'>;
  /** The address of the interface that the packet came in on. */
  readonly serverAddress: Ipv4;
  readonly address?: AddressAnswer | undefined;
  readonly boot?: BootAnswer | undefined;
  /** Option 56, on a NAK. */
  readonly message?: string | undefined;
}

/**
 * A reply to `request`. Keeps xid, flags, giaddr and chaddr; echoes option 97 only where it came with 17 bytes and
 * option 82 always (RFC 3046 section 2.2; the codec writes it last).
 */
export function buildDhcpReply(input: ReplyInput): DhcpPacket {
  const { request, type, serverAddress, address, boot } = input;
  const options = new Map<number, Uint8Array>();
  options.set(OPTION.messageType, TYPE_VALUES[type]);
  options.set(OPTION.serverIdentifier, valueOfServer(serverAddress));
  if (address !== undefined) addAddressOptions(options, address);
  if (boot !== undefined) addBootOptions(options, boot, request, serverAddress);
  if (input.message !== undefined) options.set(OPTION.message, textValue(input.message.slice(0, 255)));
  const uuid = request.options.get(OPTION.clientUuid);
  if (uuid?.length === 17) options.set(OPTION.clientUuid, uuid);
  const relayInformation = request.options.get(OPTION.relayAgentInformation);
  if (relayInformation !== undefined) options.set(OPTION.relayAgentInformation, relayInformation);
  return { ...headerOf(input), options };
}

/** All of it but the options. */
export function headerOf(input: ReplyInput): Omit<DhcpPacket, 'options'> {
  const { request, type, serverAddress, address, boot } = input;
  const fitsHeader = boot !== undefined && boot.bootfile.length <= MAXIMUM_FILE_LENGTH;
  return {
    op: BOOTREPLY,
    htype: request.htype,
    hlen: request.hlen,
    hops: 0,
    xid: request.xid,
    secs: 0,
    // RFC 2131 4.3.2: through a relay a NAK must be broadcast, the client has no address it may use.
    flags: type === 'nak' && request.giaddr !== UNSPECIFIED ? request.flags | BROADCAST_FLAG : request.flags,
    ciaddr: type === 'ack' ? acknowledgedAddress(input) : UNSPECIFIED,
    yiaddr: address?.address ?? UNSPECIFIED,
    siaddr: boot === undefined ? UNSPECIFIED : serverAddress,
    giaddr: request.giaddr,
    chaddr: request.chaddr,
    sname: boot === undefined ? '' : formatIpv4(serverAddress),
    file: fitsHeader ? boot.bootfile : '',
  };
}

export const TYPE_VALUES = {
  offer: encodeMessageType('offer'),
  ack: encodeMessageType('ack'),
  nak: encodeMessageType('nak'),
} as const;

let lastServer = { address: UNSPECIFIED, value: ipv4Value(UNSPECIFIED) };

/** The same for all machines of an interface. */
function valueOfServer(address: Ipv4): Uint8Array {
  if (address !== lastServer.address) lastServer = { address, value: ipv4Value(address) };
  return lastServer.value;
}

const BROADCAST_FLAG = 0x8000;

/** A REQUEST on port 4011 may name a server and have an address all the same: it selects nobody's address. */
function acknowledgedAddress({ request, address }: ReplyInput): Ipv4 {
  return address === undefined ? request.ciaddr : clientAddressOf(request);
}

function addAddressOptions(
  options: Map<number, Uint8Array>,
  { address, subnet, hostname }: AddressAnswer,
): void {
  const values = valuesOfSubnet(subnet);
  if (address !== UNSPECIFIED) for (const [code, value] of values.times) options.set(code, value);
  for (const [code, value] of values.network) options.set(code, value);
  if (hostname !== undefined) options.set(OPTION.hostName, textValue(hostname));
  for (const [code, value] of values.names) options.set(code, value);
}

type OptionValues = readonly (readonly [code: number, value: Uint8Array])[];

interface SubnetValues {
  readonly times: OptionValues;
  readonly network: OptionValues;
  /** What follows a machine's own name. */
  readonly names: OptionValues;
}

const subnetValues = new WeakMap<Subnet, SubnetValues>();

/** What all machines of a subnet are told is worked out once. */
export function valuesOfSubnet(subnet: Subnet): SubnetValues {
  const known = subnetValues.get(subnet);
  if (known !== undefined) return known;
  const { network, leaseTime, router, dns, domain, ntp, mtu } = subnet;
  const values = {
    times: [
      [OPTION.leaseTime, uint32Value(leaseTime)],
      // RFC 2131 4.4.5's defaults.
      [OPTION.renewalTime, uint32Value(Math.floor(leaseTime / 2))],
      [OPTION.rebindingTime, uint32Value(Math.floor((leaseTime * 7) / 8))],
    ],
    network: [
      [OPTION.subnetMask, ipv4Value(netmask(network.prefix))],
      [OPTION.broadcastAddress, ipv4Value(broadcastOf(network))],
      ...(router === undefined ? [] : [[OPTION.router, ipv4Value(router)] as const]),
      ...(dns.length === 0 ? [] : [[OPTION.domainNameServer, ipv4Value(...dns)] as const]),
    ],
    names: [
      ...(domain === undefined ? [] : [[OPTION.domainName, textValue(domain)] as const]),
      ...(mtu === undefined ? [] : [[OPTION.interfaceMtu, uint16Value(mtu)] as const]),
      ...(ntp.length === 0 ? [] : [[OPTION.ntpServers, ipv4Value(...ntp)] as const]),
    ],
  } satisfies SubnetValues;
  subnetValues.set(subnet, values);
  return values;
}

function addBootOptions(
  options: Map<number, Uint8Array>,
  boot: BootAnswer,
  request: DhcpPacket,
  serverAddress: Ipv4,
): void {
  const { client, bootfile, plane } = boot;
  options.set(OPTION.tftpServerName, textValue(formatIpv4(serverAddress)));
  // NUL-terminated: some ROMs read on into the next option without one (pixiecore, OVMF).
  options.set(OPTION.bootfileName, textValueWithNul(bootfile));
  const vendorClass = vendorClassFor(boot);
  if (vendorClass !== undefined) options.set(OPTION.vendorClass, encodeVendorClass({ kind: vendorClass }));
  // iPXE ≥ 2.0 for UEFI turns on its syslog console by it (seen); it has no port.
  if (boot.syslog === true) options.set(OPTION.logServer, ipv4Value(serverAddress));
  const vendorOptions = pxeVendorOptionsFor(boot, request);
  if (vendorOptions !== undefined) options.set(OPTION.vendorSpecific, vendorOptions);
  // Saves iPXE its two-second wait for a proxy that does not come.
  if (plane === 'server' && client.kind === 'ipxe')
    options.set(OPTION.ipxe, encodeIpxeOptions({ noPxeDhcp: true }));
}

/**
 * Option 60 marks a proxy offer as one, for ROM and iPXE alike. In server mode it must not be there: EDK2 would go
 * looking for port 4011, and eMAG boards would ignore `file`. HTTP boot wants its own class echoed always.
 */
function vendorClassFor({ client, plane }: BootAnswer): 'PXEClient' | 'HTTPClient' | undefined {
  if (client.transport === 'http') return 'HTTPClient';
  return plane === 'server' ? undefined : 'PXEClient';
}

/**
 * Discovery control 8 means: take this offer's file, ask nobody else. A UEFI gets it only where the operator says so:
 * without it EDK2 asks port 4011, which is what most boards do well.
 */
function pxeVendorOptionsFor(
  { client, plane, uefiProxy }: BootAnswer,
  request: DhcpPacket,
): Uint8Array | undefined {
  if (plane === 'server' || client.transport === 'http') return undefined;
  const asked = request.options.get(OPTION.vendorSpecific);
  const bootItem = asked === undefined ? undefined : decodePxeVendorOptions(asked).bootItem;
  const viaPort4011 =
    client.kind === 'rom' && client.architecture?.firmware === 'uefi' && uefiProxy === 'pxe';
  if (viaPort4011 && bootItem === undefined) return undefined;
  return encodePxeVendorOptions({
    ...(viaPort4011 ? {} : { discoveryControl: PXE_DISCOVERY.useOfferedFile }),
    ...(bootItem === undefined ? {} : { bootItem }),
  });
}

const SERVER_PORT = 67;
const CLIENT_PORT = 68;

/**
 * `ciaddr` where the client may have one (RFC 2131 table 5), else UNSPECIFIED: firmware leaves rubbish in a
 * DISCOVER's, and in a REQUEST that selects a server (option 54).
 */
export function clientAddressOf(request: Pick<DhcpPacket, 'ciaddr' | 'options'>): Ipv4 {
  const type = messageTypeOf(request);
  const selecting = type === 'request' && readIpv4(request.options, OPTION.serverIdentifier) !== undefined;
  return type === 'discover' || selecting ? UNSPECIFIED : request.ciaddr;
}

/**
 * Where a reply from port 67 goes (RFC 2131 4.1): to the relay, to a client that has an address, else to everybody.
 * A unicast to an address not yet configured would need raw sockets; broadcast is enough for iPXE (which sends flags
 * 0) and OVMF (0x8000).
 */
export function destinationOf(
  request: Pick<DhcpPacket, 'giaddr' | 'ciaddr' | 'options'>,
  answered: MessageType,
): { readonly address: Ipv4; readonly port: number } {
  if (request.giaddr !== UNSPECIFIED) return { address: request.giaddr, port: SERVER_PORT };
  const own = answered === 'nak' ? UNSPECIFIED : clientAddressOf(request);
  return { address: own === UNSPECIFIED ? LIMITED_BROADCAST : own, port: CLIENT_PORT };
}
