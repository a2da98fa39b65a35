import { type Ipv4, ipv4ToBytes } from '../machine/ipv4.ts';

/**
 * A request to the kernel's routing tables (rtnetlink(7)), and its answer. Numbers are in the host's own order.
 *
 *     nlmsghdr  length 4 | type 2 | flags 2 | sequence 4 | port 4
 *     rtmsg     family 1 | dst_len 1 | src_len 1 | tos 1 | table 1 | protocol 1 | scope 1 | type 1 | flags 4
 *     rtattr    length 2 | type 2 | value, padded to 4
 */
const LENGTH = 16 + 12 + 8 + 8;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const NLM_F_REQUEST_ACK = 0x1 | 0x4;
const NLM_F_CREATE_EXCL = 0x400 | 0x200;
const NLMSG_ERROR = 2;
const AF_INET = 2;
const RT_TABLE_LOCAL = 255;
const RT_SCOPE_HOST = 254;
const RTN_LOCAL = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
/** `lo` is the first device of every network namespace. */
const LOOPBACK = 1;

/** Whose routes they are (`proto 116` in `ip route`): 't', which nobody registered. Only these are taken away again. */
export const LOCAL_ROUTE_PROTOCOL = 116;

/** A route that says: packets to this address are for this host. `isLittle`: the host's byte order. */
export function encodeLocalRoute(
  action: 'add' | 'remove',
  address: Ipv4,
  sequence: number,
  isLittle: boolean,
): Uint8Array {
  const bytes = new Uint8Array(LENGTH);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, LENGTH, isLittle);
  view.setUint16(4, action === 'add' ? RTM_NEWROUTE : RTM_DELROUTE, isLittle);
  view.setUint16(6, NLM_F_REQUEST_ACK | (action === 'add' ? NLM_F_CREATE_EXCL : 0), isLittle);
  view.setUint32(8, sequence >>> 0, isLittle);
  bytes.set([AF_INET, 32, 0, 0, RT_TABLE_LOCAL, LOCAL_ROUTE_PROTOCOL, RT_SCOPE_HOST, RTN_LOCAL], 16);
  view.setUint16(28, 8, isLittle);
  view.setUint16(30, RTA_DST, isLittle);
  bytes.set(ipv4ToBytes(address), 32);
  view.setUint16(36, 8, isLittle);
  view.setUint16(38, RTA_OIF, isLittle);
  view.setUint32(40, LOOPBACK, isLittle);
  return bytes;
}

/** The error number of the kernel's answer, 0 for none; undefined where this is no answer to a request. */
export function decodeRouteAnswer(bytes: Uint8Array, isLittle: boolean): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 20 || view.getUint16(4, isLittle) !== NLMSG_ERROR) return undefined;
  return -view.getInt32(16, isLittle);
}
