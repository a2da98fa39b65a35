import type { RemoteInfo, Socket } from 'node:dgram';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import type { OpenUdpSocket } from '../net/port.ts';

/** A client of old keeps a socket's packets out of its later transfers for so many milliseconds. */
const REMEMBERED = 60_000;
const MOST_REMEMBERED = 16;
/** Idle sockets kept for the next transfers: opening one costs as much as sending a dozen blocks, more on a device. */
const MOST_IDLE = 64;

/** A bound socket of its own port (RFC 1350: the transfer's identifier), lent to one transfer at a time. */
export interface TransferSocket {
  readonly socket: Socket;
  readonly port: number;
  /** What its packets are for; undefined while idle. Set by whoever borrows it. */
  receiver: ((bytes: Buffer, remote: RemoteInfo) => void) | undefined;
  /** Clients it served lately, `address:port`, oldest first. */
  readonly past: { readonly client: string; readonly until: number }[];
}

export interface TransferSockets {
  /** A socket that did not serve `client` lately. Rejects with what openSocket throws. */
  borrow(client: string): Promise<TransferSocket>;
  giveBack(lent: TransferSocket, client: string): void;
  /** Whether `client` was served by this socket lately: its packets are late, not a stranger's. */
  servedLately(lent: TransferSocket, client: string): boolean;
  /** Closes those that are idle. */
  closeIdle(): void;
  /** Closes them all, lent ones as well. */
  close(): void;
  /** Open sockets. */
  count(): number;
}

export interface TransferSocketsOptions {
  readonly openSocket: OpenUdpSocket;
  readonly address: Ipv4;
  readonly device: string | undefined;
  /** Milliseconds, of a clock that does not jump. */
  readonly now: () => number;
  /** A packet for a socket that is idle. */
  readonly onStray: (lent: TransferSocket, bytes: Buffer, remote: RemoteInfo) => void;
  /** Called after each packet of a transfer. */
  readonly stayAwake: () => void;
  /** A packet could not be sent (unreachable, a full queue, a firewall): the retransmission mends it or gives up. */
  readonly onError: (error: Error) => void;
}

/** The sockets that transfers from one address go through. */
export function createTransferSockets(options: TransferSocketsOptions): TransferSockets {
  const { now } = options;
  const idle: TransferSocket[] = [];
  const all = new Set<TransferSocket>();
  let closed = false;

  const servedLately = (lent: TransferSocket, client: string): boolean => {
    const at = now();
    return lent.past.some((past) => past.client === client && past.until > at);
  };

  const closeOne = (lent: TransferSocket): void => {
    if (!all.delete(lent)) return;
    lent.receiver = undefined;
    lent.socket.close();
  };

  const open = async (): Promise<TransferSocket> => {
    const bound = { port: 0, address: options.address };
    const socket = await options.openSocket(
      options.device === undefined ? bound : { ...bound, device: options.device },
    );
    const lent: TransferSocket = { socket, port: socket.address().port, receiver: undefined, past: [] };
    all.add(lent);
    socket.on('error', options.onError);
    socket.on('message', (bytes, remote) => {
      if (lent.receiver === undefined) {
        options.onStray(lent, bytes, remote);
        return;
      }
      lent.receiver(bytes, remote);
      options.stayAwake();
    });
    if (closed) {
      closeOne(lent);
      throw new Error(`the transfers from ${formatIpv4(options.address)} are stopped`);
    }
    return lent;
  };

  return {
    async borrow(client) {
      // The longest idle first: the more time passed, the fewer packets of old are under way.
      const fit = idle.findIndex((lent) => lent.past.length === 0 || !servedLately(lent, client));
      if (fit !== -1) return idle.splice(fit, 1)[0] as TransferSocket;
      return open();
    },
    giveBack(lent, client) {
      lent.receiver = undefined;
      const at = now();
      while (
        lent.past[0] !== undefined &&
        (lent.past[0].until <= at || lent.past.length >= MOST_REMEMBERED)
      ) {
        lent.past.shift();
      }
      lent.past.push({ client, until: at + REMEMBERED });
      if (closed || idle.length >= MOST_IDLE) closeOne(lent);
      else if (all.has(lent)) idle.push(lent);
    },
    servedLately,
    closeIdle() {
      for (const lent of idle.splice(0)) closeOne(lent);
    },
    close() {
      closed = true;
      idle.length = 0;
      for (const lent of all) closeOne(lent);
    },
    count: () => all.size,
  };
}
