import { type Ipv4, ipv4ToBytes } from '../../machine/ipv4.ts';
import { type Mac, macToBytes } from '../../machine/mac.ts';
import { addToSum, checksumOf } from './internet-checksum.ts';

export interface FrameEnd {
  readonly mac: Mac;
  readonly address: Ipv4;
  readonly port: number;
}

export interface UdpFrame {
  readonly source: FrameEnd;
  readonly destination: FrameEnd;
  /** Of the datagram as far as it was kept. */
  readonly payload: Uint8Array;
  /** Of the whole datagram: what was kept of it, where something was cut off. */
  readonly whole: { readonly length: number; readonly sum: number };
}

export const ETHERNET_HEADER = 14;
export const IPV4_HEADER = 20;
export const UDP_HEADER = 8;
/** Bytes in front of a payload. */
export const FRAME_HEADERS = ETHERNET_HEADER + IPV4_HEADER + UDP_HEADER;

const ETHERTYPE_IPV4 = 0x0800;
const PROTOCOL_UDP = 17;
/** Don't fragment: what every UDP packet of Linux carries. */
const DONT_FRAGMENT = 0x4000;
const TTL = 64;

/**
 * An Ethernet frame around a datagram, its lengths and checksums those of the whole datagram, also where the end of the
 * payload was not kept.
 *
 * ```
 *   6 destination   6 source   2 0x0800                                          Ethernet II
 *   1 0x45  1 0  2 length  2 id  2 flags  1 TTL  1 17  2 checksum  4 from  4 to   IPv4, RFC 791
 *   2 from  2 to  2 length  2 checksum                                           UDP, RFC 768
 *   payload
 * ```
 */
export function encodeUdpFrame({ source, destination, payload, whole }: UdpFrame): Uint8Array {
  const frame = new Uint8Array(FRAME_HEADERS + payload.length);
  const view = new DataView(frame.buffer);
  frame.set(macToBytes(destination.mac), 0);
  frame.set(macToBytes(source.mac), 6);
  view.setUint16(12, ETHERTYPE_IPV4);

  const udpLength = UDP_HEADER + whole.length;
  const ip = frame.subarray(ETHERNET_HEADER, ETHERNET_HEADER + IPV4_HEADER);
  view.setUint8(ETHERNET_HEADER, 0x45);
  view.setUint16(ETHERNET_HEADER + 2, IPV4_HEADER + udpLength);
  view.setUint16(ETHERNET_HEADER + 6, DONT_FRAGMENT);
  view.setUint8(ETHERNET_HEADER + 8, TTL);
  view.setUint8(ETHERNET_HEADER + 9, PROTOCOL_UDP);
  ip.set(ipv4ToBytes(source.address), 12);
  ip.set(ipv4ToBytes(destination.address), 16);
  view.setUint16(ETHERNET_HEADER + 10, checksumOf(addToSum(ip)));

  const udpAt = ETHERNET_HEADER + IPV4_HEADER;
  view.setUint16(udpAt, source.port);
  view.setUint16(udpAt + 2, destination.port);
  view.setUint16(udpAt + 4, udpLength);
  // RFC 768: over a header of both addresses, the protocol and the length besides.
  const pseudo = addToSum(ip.subarray(12, 20), PROTOCOL_UDP + udpLength);
  const checksum = checksumOf(addToSum(frame.subarray(udpAt, udpAt + 6), pseudo) + whole.sum);
  // Zero would say that there is none.
  view.setUint16(udpAt + 6, checksum === 0 ? 0xffff : checksum);
  frame.set(payload, FRAME_HEADERS);
  return frame;
}
