import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import type { OpenUdpDescriptor } from '../net/port.ts';
import { negotiateOptions } from '../protocol/tftp/negotiate-options.ts';
import { encodeTftpPacket, TFTP_ERRORS, writeDataHeader } from '../protocol/tftp/packet.ts';
import { snapOf, type TftpTap } from './record-tftp.ts';
import {
  type Berth,
  type CarriedTransfer,
  type Carrier,
  type CarryOrder,
  type OnStray,
  type Remote,
  remoteOf,
  type StrayPort,
  type TransferFigures,
} from './tftp-carrier.ts';
import type { TransferEnd } from './tftp-endings.ts';
import type { TransferThread } from './tftp-thread.ts';

/** A client of old keeps a port's packets out of its later transfers for so many milliseconds, up to twice. */
const REMEMBERED = 60_000;
const MOST_REMEMBERED = 4096;
/** Transfers of one port while there is another: their ACKs, one each, must fit into its buffer. */
const MOST_OF_PORT = 256;
/** Beyond these a client gets the port that it had longest ago. */
const MOST_PORTS = 64;
/** Bytes. What the kernel allows is less unless net.core.wmem_max was raised, and is enough. */
const BUFFER = 1024 * 1024;

interface Port {
  readonly fd: number;
  readonly port: number;
  readonly present: Set<string>;
  /** Clients of lately, and when each left; when `past` is full or a minute old it becomes `before`. */
  past: Map<string, number>;
  before: Map<string, number>;
  turnedAt: number;
}

export interface ThreadCarrierOptions {
  readonly thread: TransferThread;
  readonly openDescriptor: OpenUdpDescriptor;
  readonly closeDescriptor: (fd: number) => void;
  readonly address: Ipv4;
  readonly device: string | undefined;
  readonly tap: TftpTap;
  /** Bytes, of the interface, now. */
  readonly mtu: () => number;
  /** Milliseconds, of a clock that does not jump. */
  readonly now: () => number;
  readonly onStray: OnStray;
}

/**
 * Transfers through the thread, from few ports that many clients share: what tells two transfers apart is the client's
 * address and port as well as ours (RFC 1350's two identifiers), so that a port serves each client once a minute at most,
 * and all clients at a time. That is what makes batches of their packets.
 */
export function createThreadCarrier(options: ThreadCarrierOptions) {
  const { thread, tap, now } = options;
  const ports: Port[] = [];
  /** Those that the thread still has, but no new transfer gets. */
  const leaving = new Set<Port>();
  let opening: Promise<Port> | undefined;
  let isClosed = false;
  let closed: (() => void) | undefined;

  const turn = (port: Port): void => {
    const age = now() - port.turnedAt;
    if (age < REMEMBERED && port.past.size < MOST_REMEMBERED) return;
    port.before = age < 2 * REMEMBERED ? port.past : new Map();
    port.past = new Map();
    port.turnedAt = now();
  };
  const leftAt = (port: Port, client: string): number | undefined => {
    turn(port);
    return port.past.get(client) ?? port.before.get(client);
  };
  const knows = (port: Port, client: string): boolean =>
    port.present.has(client) || leftAt(port, client) !== undefined;

  const strayPort = (port: Port): StrayPort => ({
    servedLately: (remote) => knows(port, remote.key),
    answer(remote, packet) {
      tap.sent(port.port, remote, packet);
      thread.send(port.fd, remote.ip, remote.port, packet);
    },
  });

  const open = async (): Promise<Port> => {
    const device = options.device === undefined ? {} : { device: options.device };
    const buffers = { sendBuffer: BUFFER, receiveBuffer: BUFFER };
    const bound = await options.openDescriptor({ ...device, ...buffers, port: 0, address: options.address });
    if (isClosed) {
      options.closeDescriptor(bound.fd);
      throw new Error(`the transfers from ${formatIpv4(options.address)} are stopped`);
    }
    const port: Port = { ...bound, present: new Set(), past: new Map(), before: new Map(), turnedAt: now() };
    ports.push(port);
    thread.open(port.fd, {
      onStray(stray) {
        const ip = stray.address as Ipv4;
        options.onStray(strayPort(port), stray.packet, remoteOf(formatIpv4(ip), stray.port, ip));
      },
      onClosed() {
        options.closeDescriptor(port.fd);
        leaving.delete(port);
        if (leaving.size === 0) closed?.();
      },
    });
    return port;
  };
  const closePorts = (those: readonly Port[]): void => {
    for (const port of those) {
      ports.splice(ports.indexOf(port), 1);
      leaving.add(port);
      thread.close(port.fd);
    }
  };

  const choose = async (client: string): Promise<Port> => {
    for (;;) {
      const roomy = ports.find((port) => port.present.size < MOST_OF_PORT && !knows(port, client));
      if (roomy !== undefined) return roomy;
      // A rack that starts finds no port yet: one is opened, for all.
      if (opening === undefined) break;
      await opening.catch(() => undefined);
    }
    if (ports.length < MOST_PORTS) {
      opening = open().finally(() => {
        opening = undefined;
      });
      return opening;
    }
    const [longestAgo] = ports
      .filter(({ present }) => !present.has(client))
      .toSorted((a, b) => (leftAt(a, client) ?? 0) - (leftAt(b, client) ?? 0));
    return longestAgo ?? open();
  };

  const leave = (port: Port, client: string): void => {
    port.present.delete(client);
    turn(port);
    port.past.set(client, now());
  };

  const carryOn = (port: Port, slot: number, remote: Remote, order: CarryOrder): CarriedTransfer => {
    const { file, request } = order;
    const { bytes } = file;
    const negotiated = negotiateOptions(request.options, { fileSize: bytes.length, mtu: options.mtu() });
    const { answer, blockSize } = negotiated;
    const oack =
      answer === undefined ? undefined : encodeTftpPacket({ kind: 'options-ack', options: answer });
    const snap = snapOf(file.kind === 'script');
    /** As they were when it ended: the slot may be another's then. */
    let last: TransferFigures | undefined;
    let isOver = false;

    const figures = (): TransferFigures => last ?? { ...thread.figures(slot), blockSize };
    const lastBlock = Math.floor(bytes.length / blockSize) + 1;
    const hasAll = (): boolean => figures().acknowledged === lastBlock;
    const over = (end: TransferEnd): void => {
      if (isOver) return;
      last = figures();
      isOver = true;
      leave(port, remote.key);
      order.onEnd(end);
    };
    const seenBlock = (block: number): void => {
      const start = (block - 1) * blockSize;
      const packet = new Uint8Array(4 + Math.min(blockSize, bytes.length - start));
      writeDataHeader(packet, block);
      // Of the rest the recorder wants the length alone.
      packet.set(bytes.subarray(start, start + Math.min(packet.length, snap) - 4), 4);
      tap.sent(port.port, remote, packet, snap);
    };

    return {
      file,
      answer,
      negotiationReasons: negotiated.reasons,
      figures,
      quietFor() {
        if (isOver) return undefined;
        return hasAll() ? Number.POSITIVE_INFINITY : thread.quietFor(slot);
      },
      begin() {
        thread.carry(slot, {
          bytes,
          order: {
            fd: port.fd,
            address: remote.ip,
            port: remote.port,
            blockSize,
            windowSize: negotiated.windowSize,
            timeout: negotiated.timeout,
            answer: oack,
            recorded: tap.isOn,
          },
          acknowledged: (block) =>
            tap.received(port.port, remote, encodeTftpPacket({ kind: 'ack', block: block & 0xffff })),
          sent: seenBlock,
          answered: () => oack !== undefined && tap.sent(port.port, remote, oack),
          received: (packet) => tap.received(port.port, remote, packet),
          over(end) {
            if (end !== undefined) over(end);
          },
        });
      },
      end(how, message) {
        if (isOver) return;
        const packet =
          message === undefined || hasAll()
            ? undefined
            : encodeTftpPacket({ kind: 'error', code: TFTP_ERRORS.other, message });
        if (packet !== undefined) tap.sent(port.port, remote, packet);
        thread.end(slot, packet);
        // Firmware has one port for all its files, and its next request may be here before the thread's word of the last ACK.
        over(hasAll() ? { kind: 'finished', acknowledged: true } : how);
      },
    };
  };

  return {
    /** Undefined: the thread is not to be had, or full. Rejects with what `openDescriptor` throws. */
    async berth(remote: Remote): Promise<Berth | undefined> {
      if (!(await thread.ready())) return undefined;
      const client = remote.key;
      const port = await choose(client);
      const slot = thread.reserve();
      if (slot === undefined) return undefined;
      port.present.add(client);
      return {
        carry: (order) => carryOn(port, slot, remote, order),
        giveBack() {
          thread.release(slot);
          leave(port, client);
        },
      };
    },
    closeIdle() {
      closePorts(ports.filter(({ present }) => present.size === 0));
    },
    async close() {
      isClosed = true;
      const all = new Promise<void>((resolve) => {
        closed = resolve;
      });
      closePorts([...ports]);
      if (leaving.size > 0) await all;
    },
    count: () => ports.length + leaving.size,
  } satisfies Omit<Carrier, 'berth' | 'tick'> & { readonly berth: unknown };
}
