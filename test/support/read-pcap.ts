import { type Ipv4, ipv4FromBytes } from '../../src/machine/ipv4.ts';

/** One UDP datagram of a capture. */
export interface CapturedDatagram {
  readonly source: Ipv4;
  readonly sourcePort: number;
  readonly destination: Ipv4;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

const ETHERNET = 1;
const ETHERTYPE_IPV4 = 0x0800;
const PROTOCOL_UDP = 17;

/**
 * Reads a classic pcap file (tcpdump's default: either byte order, micro- or nanoseconds) of Ethernet frames and gives
 * its unfragmented IPv4 UDP datagrams; other frames are left out. Throws on what is no such file or was cut short.
 */
export function readPcap(bytes: Uint8Array): readonly CapturedDatagram[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const littleEndian = isLittleEndian(view.getUint32(0));
  if (view.getUint32(20, littleEndian) !== ETHERNET) throw new Error('the capture is not of Ethernet');
  const datagrams: CapturedDatagram[] = [];
  let at = 24;
  while (at < bytes.length) {
    const captured = view.getUint32(at + 8, littleEndian);
    if (captured !== view.getUint32(at + 12, littleEndian)) throw new Error('a frame was captured in part');
    const datagram = readFrame(bytes.subarray(at + 16, at + 16 + captured));
    if (datagram !== undefined) datagrams.push(datagram);
    at += 16 + captured;
  }
  if (at !== bytes.length) throw new Error('the capture ends inside a frame');
  return datagrams;
}

function isLittleEndian(magic: number): boolean {
  if (magic === 0xd4c3b2a1 || magic === 0x4d3cb2a1) return true;
  if (magic === 0xa1b2c3d4 || magic === 0xa1b23c4d) return false;
  throw new Error('no classic pcap file');
}

function readFrame(frame: Uint8Array): CapturedDatagram | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (frame.length < 34 || view.getUint16(12) !== ETHERTYPE_IPV4) return undefined;
  const ip = 14;
  const fragmented = (view.getUint16(ip + 6) & 0x3fff) !== 0;
  if (view.getUint8(ip + 9) !== PROTOCOL_UDP || fragmented) return undefined;
  const udp = ip + (view.getUint8(ip) & 15) * 4;
  return {
    source: ipv4FromBytes(frame, ip + 12),
    sourcePort: view.getUint16(udp),
    destination: ipv4FromBytes(frame, ip + 16),
    destinationPort: view.getUint16(udp + 2),
    payload: frame.subarray(udp + 8, udp + view.getUint16(udp + 4)),
  };
}
