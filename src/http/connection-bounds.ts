import type { Socket } from 'node:net';
import type { HttpLimits } from './port.ts';

/** Who may stay connected, over all listeners. */
export interface ConnectionBounds {
  /**
   * Counts a new connection until it closes. Where it is one too many, in all or of its address, the oldest one that
   * asks for nothing is dropped for it; if there is none, `isSurplus` says so of the new one.
   */
  admit(socket: Socket): void;
  isSurplus(socket: Socket): boolean;
  /** A whole request head has come in. */
  asks(socket: Socket): void;
  /** Its request is answered. */
  answered(socket: Socket): void;
}

/** Connections, and those of them without a request under way, the oldest first. */
interface Group {
  readonly open: Set<Socket>;
  readonly silent: Set<Socket>;
}

export function createConnectionBounds(
  limits: Pick<HttpLimits, 'connections' | 'connectionsPerAddress'>,
  dropped: () => void,
): ConnectionBounds {
  const all: Group = { open: new Set(), silent: new Set() };
  const byAddress = new Map<string, Group>();
  const addresses = new WeakMap<Socket, string>();
  const surplus = new WeakSet<Socket>();

  const groupsOf = (socket: Socket): readonly Group[] => {
    const own = byAddress.get(addresses.get(socket) ?? '');
    return own === undefined ? [all] : [all, own];
  };
  const forget = (socket: Socket): void => {
    for (const { open, silent } of groupsOf(socket)) {
      open.delete(socket);
      silent.delete(socket);
    }
    const address = addresses.get(socket) ?? '';
    if (byAddress.get(address)?.open.size === 0) byAddress.delete(address);
  };
  /** Whether there is room for one more. */
  const makeRoom = ({ open, silent }: Group, limit: number): boolean => {
    if (open.size < limit) return true;
    const [oldest] = silent;
    if (oldest === undefined) return false;
    dropped();
    forget(oldest);
    oldest.destroy();
    return open.size < limit;
  };

  return {
    admit(socket) {
      // Of a socket that is closed, the address can no longer be read.
      const address = socket.remoteAddress ?? '';
      const own = byAddress.get(address) ?? { open: new Set(), silent: new Set() };
      const fits = makeRoom(own, limits.connectionsPerAddress) && makeRoom(all, limits.connections);
      if (!fits) surplus.add(socket);
      byAddress.set(address, own);
      addresses.set(socket, address);
      for (const { open, silent } of [all, own]) {
        open.add(socket);
        silent.add(socket);
      }
      socket.once('close', () => forget(socket));
    },
    isSurplus: (socket) => surplus.has(socket),
    asks(socket) {
      for (const { silent } of groupsOf(socket)) silent.delete(socket);
    },
    answered(socket) {
      for (const { open, silent } of groupsOf(socket)) if (open.has(socket)) silent.add(socket);
    },
  };
}
