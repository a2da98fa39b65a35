import { blankSessionTokens } from '../boot/session-token.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { addToSum } from '../protocol/pcap/internet-checksum.ts';
import type { DatagramEnd, PacketRecorder, SeenDatagram } from '../servers/port.ts';
import { createMicroClock } from './micro-clock.ts';
import { createPacketStore, newPacketLog, type PacketHead, type PacketLog } from './packet-log.ts';
import { createRankedTable, type Rank, type Ranked, unlisted } from './ranked-table.ts';

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

/** What a packet takes beside its bytes, at most about: its head, and the rest of its last block. */
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

/** A MAC, or `address 10.77.0.5` for a client whose machine is not known (yet). */
type Key = string;

/** `bytes`: what its packets cost. */
interface Plane extends PacketLog {
  bytes: number;
}

const PLANES = ['dhcp', 'tftp', 'syslog'] as const;

/** A machine's packets; a plane that it has none of is absent. */
interface Slot extends Ranked<Slot> {
  readonly key: Key;
  dhcp: Plane | undefined;
  tftp: Plane | undefined;
  syslog: Plane | undefined;
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
  const store = createPacketStore();
  /** Of the packet that is written just now. */
  const head: { -readonly [Name in keyof PacketHead]: PacketHead[Name] } = {
    number: 0,
    at: 0,
    length: 0,
    sum: 0,
    fromAddress: 0,
    fromPort: 0,
    toAddress: 0,
    toPort: 0,
    sent: false,
    via: 0,
  };
  /** The machine of the packet that was written last. */
  let newest: Slot | undefined;
  /** Of interfaces: a host has a handful, and those that were are few. */
  const names: string[] = [];

  function numberOf(via: string): number {
    const known = names.indexOf(via);
    return known >= 0 ? known : names.push(via) - 1;
  }

  const slots = createRankedTable<Key, Slot>({
    limit: limits.machines,
    keyOf: ({ key }) => key,
    forgotten(slot) {
      for (const plane of PLANES) dropAll(slot[plane]);
    },
  });

  function drop(kept: Plane): void {
    const dropped = store.dropOldest(kept);
    if (dropped === undefined) return;
    kept.bytes -= dropped + OVERHEAD;
    bytes -= dropped + OVERHEAD;
    packets--;
  }

  function dropAll(kept: Plane | undefined): void {
    if (kept === undefined) return;
    while (kept.count > 0) drop(kept);
  }

  function makeRoom(slot: Slot, kept: Plane, most: number, cost: number): void {
    while (kept.count > 0 && kept.bytes + cost > most) drop(kept);
    while (bytes + cost > limits.bytes && slots.forgetOne(slot));
    kept.bytes += cost;
    bytes += cost;
    packets++;
  }

  function record(datagram: SeenDatagram): void {
    const { plane, direction, via, from, to } = datagram;
    const client = direction === 'received' ? from : to;
    const mac = datagram.mac ?? macAt(client.address);
    const key = mac ?? keyOfAddress(client.address);
    const isAnswer = direction === 'sent' && newest?.key === key && newest.isListed;
    const slot = isAnswer ? (newest as Slot) : (slots.get(key) ?? newSlot(key));
    // As it was a moment ago, of an answer to what came last.
    const rank = isAnswer ? slot.rank : mac === undefined ? 0 : rankOf(mac);
    const whole = withoutSecrets(datagram.payload);
    const { length } = whole;
    const kept = Math.min(length, datagram.snap ?? length, limits.datagram);
    const log = (slot[plane] ??= newPlane());
    makeRoom(slot, log, limits.perPlane[plane], kept + OVERHEAD);
    head.number = number++;
    head.at = microseconds();
    head.length = length;
    // Of what is kept whole it can be worked out when it is asked for.
    head.sum = kept === length ? 0 : addToSum(whole);
    head.fromAddress = from.address;
    head.fromPort = from.port;
    head.toAddress = to.address;
    head.toPort = to.port;
    head.sent = direction === 'sent';
    head.via = numberOf(via);
    store.append(log, head, whole, kept);
    slots.touch(slot, rank);
    newest = slot;
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
      const found = slotsOf(mac).flatMap((slot) =>
        PLANES.flatMap((plane) => (slot[plane] === undefined ? [] : [...store.read(slot[plane])])),
      );
      return found
        .filter(({ at }) => window === undefined || (at >= window.from && at <= window.to))
        .toSorted((a, b) => a.number - b.number)
        .map((packet) => {
          const { at, sent, length, sum, payload } = packet;
          return {
            at,
            direction: sent ? 'sent' : 'received',
            via: names[packet.via] ?? '',
            from: { address: packet.fromAddress as Ipv4, port: packet.fromPort },
            to: { address: packet.toAddress as Ipv4, port: packet.toPort },
            payload,
            whole: { length, sum: payload.length === length ? addToSum(payload) : sum },
          };
        });
    },
    forget(mac) {
      for (const slot of slotsOf(mac)) {
        for (const plane of PLANES) dropAll(slot[plane]);
        slots.remove(slot.key);
      }
    },
    size: () => ({ machines: slots.size(), packets, bytes }),
  };
}

function newSlot(key: Key): Slot {
  return { key, ...unlisted(), dhcp: undefined, tftp: undefined, syslog: undefined };
}

function newPlane(): Plane {
  return { ...newPacketLog(), bytes: 0 };
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
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

/** A token has a hyphen behind a digit, and what is left of one stands behind `/boot/`. Patterns for every packet would cost more than all else. */
function maybeSecret(bytes: Buffer): boolean {
  for (let at = bytes.indexOf(HYPHEN, 1); at > 0; at = bytes.indexOf(HYPHEN, at + 1)) {
    const before = bytes[at - 1] ?? 0;
    if (before >= DIGIT_0 && before <= DIGIT_9) return true;
  }
  return bytes.includes(SLASH) && bytes.includes('/boot/');
}

/** A kernel's log tells its command line, which has the URL of its session. */
function withoutSecrets(payload: Uint8Array): Buffer {
  const bytes = Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  if (!maybeSecret(bytes)) return bytes;
  const text = bytes.toString('latin1');
  const blanked = blankSessionTokens(text);
  return blanked === text ? bytes : Buffer.from(blanked, 'latin1');
}
