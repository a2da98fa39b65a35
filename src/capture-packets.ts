import { LIMITED_BROADCAST } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import { type CapturedFrame, encodePcap } from './protocol/pcap/pcap-file.ts';
import { encodeUdpFrame, FRAME_HEADERS } from './protocol/pcap/udp-frame.ts';
import type { FlightRecorder, KeptPacket } from './store/flight-recorder.ts';

export interface CaptureOptions {
  readonly recorder: Pick<FlightRecorder, 'packetsOf'>;
  /** Of an interface. */
  readonly macOf: (via: string) => Mac | undefined;
}

/** Milliseconds since the epoch. */
export interface CaptureWindow {
  readonly from: number;
  /** Absent: up to now. */
  readonly to?: number;
}

const BROADCAST = 'ff:ff:ff:ff:ff:ff' as Mac;
/** Locally administered: of an interface that is gone. */
const NOBODY = '02:00:00:00:00:00' as Mac;
/** In ms: a session opens when its first packet is decided on, which came a little before. */
const EARLIER = 5;

/**
 * The packets of a machine as a capture file; undefined: none is kept. Sockets tell addresses and ports; the rest of
 * the headers is made up: behind a relay the other end had the relay's hardware address.
 */
export function capturePackets(
  { recorder, macOf }: CaptureOptions,
  mac: Mac,
  window?: CaptureWindow,
): Uint8Array | undefined {
  const { from = 0, to = Number.POSITIVE_INFINITY } = window ?? {};
  const packets = recorder.packetsOf(mac, { from: (from - EARLIER) * 1000, to: (to - EARLIER) * 1000 });
  if (packets.length === 0) return undefined;
  return encodePcap(packets.map((packet) => frameOf(packet, mac, macOf(packet.via) ?? NOBODY)));
}

function frameOf(
  { at, direction, from, to, payload, whole }: KeptPacket,
  client: Mac,
  server: Mac,
): CapturedFrame {
  const [sender, receiver] = direction === 'received' ? [client, server] : [server, client];
  const bytes = encodeUdpFrame({
    source: { mac: sender, ...from },
    destination: { mac: to.address === LIMITED_BROADCAST ? BROADCAST : receiver, ...to },
    payload,
    whole,
  });
  return { at, bytes, wireLength: FRAME_HEADERS + whole.length };
}
