import { blankSessionTokens } from '../boot/session-token.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { addToSum } from '../protocol/pcap/internet-checksum.ts';
import type { DatagramEnd, PacketRecorder, SeenDatagram } from '../servers/port.ts';
import { createMicroClock } from './micro-clock.ts';
import { createRankedTable, type Rank } from './ranked-table.ts';

/** Bytes, an allowance for what an object costs besides its payload included. */
export interface FlightLimits {
  readonly machines: number;
  readonly bytes: number;
  /** Of one machine. */
  readonly perPlane: Readonly<Record<SeenDatagram['plane'], number>>;
  /** Of one datagram. */
  readonly datagram: number;
}

/** A boot is some 30 packets of DHCP and 10 of TFTP that are worth keeping: 15 KiB, so that two or three are kept. */
const FLIGHT_LIMITS: FlightLimits = {
  machines: 20_000,
  bytes: 64 * 1024 * 1024,
  perPlane: { dhcp: 32 * 1024, tftp: 16 * 1024, syslog: 32 * 1024 },
  datagram: 2048,
};

/** What V8 takes for a packet beside its bytes, roughly. */
const OVERHEAD = 256;

export interface KeptPacket {
  /** Microseconds since the epoch. */
  readonly at: number;
  readonly direction: SeenDatagram['direction'];
  readonly via: string;
  readonly from: DatagramEnd;
  readonly to: DatagramEnd;
  readonly payload: Uint8Array;
  /** Of the whole datagram; `sum` is its share of the UDP checksum. */
  readonly whole: { readonly length: number; readonly sum: number };
}

export interface FlightRecorderOptions {
  readonly macAt: (address: Ipv4) => Mac | undefined;
  /** As it is now: asked for each packet. */
  readonly rankOf: (mac: Mac) => Rank;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** Milliseconds with fractions, that never jump. */
  readonly uptime: () => number;
  readonly limits?: Partial<FlightLimits>;
  /** Something of it failed; packets must go on. */
  readonly complain: (error: unknown) => void;
}

export interface FlightRecorder extends PacketRecorder {
  /** In the order in which they came and went; empty: none is kept. Times: microseconds since the epoch, both included. */
  packetsOf(mac: Mac, window?: { readonly from: number; readonly to: number }): readonly KeptPacket[];
  forget(mac: Mac): void;
  size(): { readonly machines: number; readonly packets: number; readonly bytes: number };
}

interface Numbered extends Omit<KeptPacket, 'whole'> {
  readonly number: number;
  readonly length: number;
  readonly sum?: number;
}
/** A MAC, or `address 10.77.0.5` for a client whose machine is not known (yet). */
type Key = string;

interface Slot {
  readonly key: Key;
  rank: Rank;
  readonly planes: Record<SeenDatagram['plane'], { readonly packets: Numbered[]; bytes: number }>;
}

/**
 * The last packets of each machine, in memory. The least ranked machine is forgotten first, then the one that was
 * silent for the longest time. What might be a session token is blanked before it is kept.
 */
export function createFlightRecorder(options: FlightRecorderOptions): FlightRecorder {
  const { macAt, rankOf } = options;
  const limits: FlightLimits = { ...FLIGHT_LIMITS, ...options.limits };
  const microseconds = createMicroClock(options.clock, options.uptime);
  let bytes = 0;
  let packets = 0;
  let number = 0;
  const slots = createRankedTable<Key, Slot>({
    limit: limits.machines,
    keyOf: ({ key }) => key,
    forgotten(slot) {
      for (const plane of Object.values(slot.planes)) {
        bytes -= plane.bytes;
        packets -= plane.packets.length;
      }
    },
  });

  function drop(slot: Slot, plane: SeenDatagram['plane']): void {
    const kept = slot.planes[plane];
    const oldest = kept.packets.shift();
    if (oldest === undefined) return;
    const cost = costOf(oldest);
    kept.bytes -= cost;
    bytes -= cost;
    packets--;
  }

  function add(slot: Slot, plane: SeenDatagram['plane'], packet: Numbered): void {
    const cost = costOf(packet);
    const kept = slot.planes[plane];
    while (kept.packets.length > 0 && kept.bytes + cost > limits.perPlane[plane]) drop(slot, plane);
    if (bytes + cost > limits.bytes) {
      // Out of the table meanwhile, so that it is not the one that makes room.
      slots.remove(slot.key);
      while (bytes + cost > limits.bytes && slots.forgetOne());
    }
    kept.packets.push(packet);
    kept.bytes += cost;
    bytes += cost;
    packets++;
  }

  function record(datagram: SeenDatagram): void {
    const { plane, direction, via, from, to } = datagram;
    const client = direction === 'received' ? from : to;
    const mac = datagram.mac ?? macAt(client.address);
    const key = mac ?? keyOfAddress(client.address);
    const rank = mac === undefined ? 0 : rankOf(mac);
    const slot = slots.get(key) ?? newSlot(key);
    const whole = withoutSecrets(datagram.payload);
    const kept = Math.min(whole.length, datagram.snap ?? whole.length, limits.datagram);
    add(slot, plane, {
      number: number++,
      at: microseconds(),
      direction,
      via,
      from,
      to,
      payload: ownBytes(whole.subarray(0, kept)),
      length: whole.length,
      // Of what is kept whole it can be worked out when it is asked for.
      ...(kept === whole.length ? {} : { sum: addToSum(whole) }),
    });
    slots.touch(slot, rank);
  }

  function slotsOf(mac: Mac): readonly Slot[] {
    return [...slots.entries()].filter(({ key }) => {
      if (key === mac) return true;
      // A proxy learns who has an address after it was asked from there.
      const address = addressOf(key);
      return address !== undefined && macAt(address) === mac;
    });
  }

  return {
    record(datagram) {
      try {
        record(datagram);
      } catch (error) {
        options.complain(error);
      }
    },
    packetsOf(mac, window) {
      const found = slotsOf(mac).flatMap(({ planes }) => Object.values(planes).flatMap((one) => one.packets));
      return found
        .filter(({ at }) => window === undefined || (at >= window.from && at <= window.to))
        .toSorted((a, b) => a.number - b.number)
        .map(({ number: _number, length, sum, ...packet }) => ({
          ...packet,
          whole: { length, sum: sum ?? addToSum(packet.payload) },
        }));
    },
    forget(mac) {
      for (const slot of slotsOf(mac)) {
        for (const plane of ['dhcp', 'tftp', 'syslog'] as const)
          while (slot.planes[plane].packets.length > 0) drop(slot, plane);
        slots.remove(slot.key);
      }
    },
    size: () => ({ machines: slots.size(), packets, bytes }),
  };
}

function newSlot(key: Key): Slot {
  return { key, rank: 0, planes: { dhcp: newPlane(), tftp: newPlane(), syslog: newPlane() } };
}

function newPlane(): Slot['planes']['dhcp'] {
  return { packets: [], bytes: 0 };
}

function costOf({ payload }: Numbered): number {
  return payload.length + OVERHEAD;
}

const ADDRESS = 'address ';

function keyOfAddress(address: Ipv4): Key {
  return `${ADDRESS}${address}`;
}

function addressOf(key: Key): Ipv4 | undefined {
  return key.startsWith(ADDRESS) ? (Number(key.slice(ADDRESS.length)) as Ipv4) : undefined;
}

const SLASH = 0x2f;
const HYPHEN = 0x2d;

/** A token has a hyphen, and what is left of one stands behind `/boot/`. Patterns for every packet would cost more than all else. */
function maybeSecret(bytes: Buffer): boolean {
  return bytes.includes(HYPHEN) || (bytes.includes(SLASH) && bytes.includes('/boot/'));
}

/** A kernel's log tells its command line, which has the URL of its session. */
function withoutSecrets(payload: Uint8Array): Uint8Array {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (!maybeSecret(bytes)) return payload;
  const text = bytes.toString('latin1');
  const blanked = blankSessionTokens(text);
  return blanked === text ? payload : new Uint8Array(Buffer.from(blanked, 'latin1'));
}

/** Its own memory: a piece of a file, or of a pool, would keep all of that. */
function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : Uint8Array.prototype.slice.call(bytes);
}
