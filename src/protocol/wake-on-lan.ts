import { type Mac, macToBytes } from '../machine/mac.ts';

/** "discard": nobody listens there, and cards look at any packet. */
export const WAKE_ON_LAN_PORT = 9;

/**
 * The magic packet (AMD, "Magic Packet Technology", publication 20213), as the payload of a UDP datagram:
 *
 *     6 bytes   0xff
 *     96 bytes  the MAC, sixteen times
 */
export function encodeMagicPacket(mac: Mac): Uint8Array {
  const packet = new Uint8Array(6 + 16 * 6).fill(0xff, 0, 6);
  const bytes = macToBytes(mac);
  for (let at = 6; at < packet.length; at += 6) packet.set(bytes, at);
  return packet;
}
