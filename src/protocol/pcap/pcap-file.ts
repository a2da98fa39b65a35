/** A frame of Ethernet as it stands in a capture. */
export interface CapturedFrame {
  /** Microseconds since the epoch. */
  readonly at: number;
  readonly bytes: Uint8Array;
  /** Bytes that it had on the wire: more than `bytes` where its end was cut off. */
  readonly wireLength: number;
}

const MAGIC = 0xa1b2c3d4;
const FILE_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET = 1;
const SNAP_LENGTH = 65_535;

/**
 * A capture file as tcpdump and Wireshark read it (draft-ietf-opsawg-pcap), big-endian, with microseconds.
 *
 * ```
 *   4 0xa1b2c3d4  2 major 2  2 minor 4  4 0  4 0  4 most bytes of a frame  4 link type 1
 *   then each frame: 4 seconds  4 microseconds  4 bytes that follow  4 bytes that there were   frame
 * ```
 */
export function encodePcap(frames: readonly CapturedFrame[]): Uint8Array {
  const length = frames.reduce((sum, { bytes }) => sum + RECORD_HEADER + bytes.length, FILE_HEADER);
  const file = new Uint8Array(length);
  const view = new DataView(file.buffer);
  view.setUint32(0, MAGIC);
  view.setUint16(4, 2);
  view.setUint16(6, 4);
  view.setUint32(16, SNAP_LENGTH);
  view.setUint32(20, ETHERNET);
  let offset = FILE_HEADER;
  for (const { at, bytes, wireLength } of frames) {
    view.setUint32(offset, Math.floor(at / 1e6));
    view.setUint32(offset + 4, at % 1e6);
    view.setUint32(offset + 8, bytes.length);
    view.setUint32(offset + 12, wireLength);
    file.set(bytes, offset + RECORD_HEADER);
    offset += RECORD_HEADER + bytes.length;
  }
  return file;
}

export interface PcapSummary {
  readonly packets: number;
  /** Milliseconds since the epoch; of a file without packets absent. */
  readonly from?: number;
  readonly to?: number;
}

/** How many frames a file of `encodePcap` holds, and of which time. Throws a RangeError on what is no such file. */
export function summarizePcap(file: Uint8Array): PcapSummary {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  if (file.length < FILE_HEADER || view.getUint32(0) !== MAGIC) throw new RangeError('this is no capture');
  let packets = 0;
  let from: number | undefined;
  let to: number | undefined;
  let offset = FILE_HEADER;
  while (offset < file.length) {
    const at = view.getUint32(offset) * 1000 + view.getUint32(offset + 4) / 1000;
    from = Math.min(from ?? at, at);
    to = Math.max(to ?? at, at);
    packets++;
    offset += RECORD_HEADER + view.getUint32(offset + 8);
  }
  if (offset !== file.length) throw new RangeError('the capture ends inside a frame');
  return { packets, ...(from === undefined || to === undefined ? {} : { from, to }) };
}
