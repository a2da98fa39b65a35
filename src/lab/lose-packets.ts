import type { DatagramSocket } from '../net/port.ts';
import type { ClientPort } from './virtual-client-port.ts';

/** Asked for each datagram that is sent or has come: whether the network lost it. */
export type LosePacket = () => boolean;

/** `share` from 0 to 1; `random` gives 0 up to, but not, 1. Counts what it lost. */
export function createLoss(
  share: number,
  random: () => number,
): { readonly lose: LosePacket; lost(): number } {
  let lost = 0;
  return {
    lose() {
      if (random() >= share) return false;
      lost++;
      return true;
    },
    lost: () => lost,
  };
}

/** Each machine loses for itself what the others hear. */
export function losePort(port: ClientPort, lose: LosePacket): ClientPort {
  return {
    ...port,
    subscribe: (xid, mac, listener) => port.subscribe(xid, mac, (reply) => void (lose() || listener(reply))),
    send: async (bytes, address, to) => (lose() ? undefined : port.send(bytes, address, to)),
    // Where it is sent from is known to nobody who waits for it.
    sendPxe: async (bytes, address, to) => (lose() ? 0 : port.sendPxe(bytes, address, to)),
  };
}

export function loseSocket(socket: DatagramSocket, lose: LosePacket): DatagramSocket {
  type Listener = Parameters<DatagramSocket['off']>[1];
  const wrapped = new Map<Listener, Listener>();
  const on = (...[event, listener]: ['message', Listener] | ['error', (error: Error) => void]): unknown => {
    if (event === 'error') return socket.on(event, listener);
    const hear: Listener = (bytes, source) => void (lose() || listener(bytes, source));
    wrapped.set(listener, hear);
    return socket.on(event, hear);
  };
  return {
    on,
    off: (event, listener) => socket.off(event, wrapped.get(listener) ?? listener),
    send(bytes, port, address, callback) {
      if (lose()) callback(null);
      else socket.send(bytes, port, address, callback);
    },
    close: (callback) => socket.close(callback),
  };
}
