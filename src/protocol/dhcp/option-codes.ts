import type { DhcpPacket } from './packet.ts';

/** Option codes that this project reads or writes, by the names of RFC 2132 unless another RFC is given. */
export const OPTION = {
  pad: 0,
  subnetMask: 1,
  router: 3,
  domainNameServer: 6,
  /** iPXE ≥ 2.0 on UEFI turns on its syslog console when this is present. */
  logServer: 7,
  hostName: 12,
  domainName: 15,
  rootPath: 17,
  interfaceMtu: 26,
  broadcastAddress: 28,
  ntpServers: 42,
  vendorSpecific: 43,
  requestedAddress: 50,
  leaseTime: 51,
  /** Layout, not content: decodeDhcpPacket consumes it. */
  overload: 52,
  messageType: 53,
  serverIdentifier: 54,
  parameterRequestList: 55,
  message: 56,
  maximumMessageSize: 57,
  renewalTime: 58,
  rebindingTime: 59,
  vendorClass: 60,
  clientIdentifier: 61,
  tftpServerName: 66,
  bootfileName: 67,
  /** RFC 3004. */
  userClass: 77,
  /** RFC 4039. */
  rapidCommit: 80,
  /** RFC 3046. */
  relayAgentInformation: 82,
  /** RFC 4578, as are 94 and 97. */
  clientArchitecture: 93,
  clientNetworkInterface: 94,
  clientUuid: 97,
  /** RFC 3011. */
  subnetSelection: 118,
  /** RFC 3397. */
  domainSearch: 119,
  /** RFC 3442. */
  classlessRoutes: 121,
  /** iPXE's (and Etherboot's) encapsulated options. */
  ipxe: 175,
  end: 255,
} as const;

/** RFC 2132 section 9.6: option 53 counts them from 1, in this order. */
export const MESSAGE_TYPES = [
  'discover',
  'offer',
  'request',
  'decline',
  'ack',
  'nak',
  'release',
  'inform',
] as const;
export type MessageType = (typeof MESSAGE_TYPES)[number];

/** Undefined for plain BOOTP (no option 53), for a malformed one, and for types that came after RFC 2132. */
export function messageTypeOf(packet: Pick<DhcpPacket, 'options'>): MessageType | undefined {
  const value = packet.options.get(OPTION.messageType);
  return value?.length === 1 ? MESSAGE_TYPES[(value[0] as number) - 1] : undefined;
}

/** The value of option 53. */
export function encodeMessageType(type: MessageType): Uint8Array {
  return Uint8Array.of(MESSAGE_TYPES.indexOf(type) + 1);
}
