import type { TftpTap } from './record-tftp.ts';
import { type Carrier, type OnStray, remoteOf, type StrayPort } from './tftp-carrier.ts';
import { createTransferSockets, type TransferSocket, type TransferSocketsOptions } from './tftp-sockets.ts';
import { createRunningTransfer, type RunningTransfer } from './tftp-transfer.ts';

export interface LocalCarrierOptions extends Omit<TransferSocketsOptions, 'onStray'> {
  readonly tap: TftpTap;
  /** Bytes, of the interface, now. */
  readonly mtu: () => number;
  readonly onStray: OnStray;
  /** A client sent what is no answer to a block. */
  readonly onNonsense: () => void;
}

/** Transfers on the main thread, by Node's sockets: everywhere, and at half of the speed of the thread's. */
export function createLocalCarrier(options: LocalCarrierOptions): Carrier {
  const { tap, now } = options;
  const running = new Set<RunningTransfer>();
  const strayPort = (lent: TransferSocket): StrayPort => ({
    servedLately: (remote) => sockets.servedLately(lent, remote.key),
    answer(remote, packet) {
      tap.sent(lent.port, remote, packet);
      lent.socket.send(packet, remote.port, remote.address);
    },
  });
  const sockets = createTransferSockets({
    ...options,
    onStray: (lent, bytes, remote) =>
      options.onStray(strayPort(lent), bytes, remoteOf(remote.address, remote.port)),
  });

  return {
    async berth(remote) {
      const { key } = remote;
      const lent = await sockets.borrow(key);
      return {
        carry({ request, file, onEnd }) {
          const transfer = createRunningTransfer({
            request,
            file,
            remote,
            lent,
            tap,
            mtu: options.mtu(),
            now,
            onEnd(end) {
              running.delete(transfer);
              sockets.giveBack(lent, key);
              onEnd(end);
            },
            onStranger: (bytes, { address, port }) =>
              options.onStray(strayPort(lent), bytes, remoteOf(address, port)),
            onNonsense: options.onNonsense,
          });
          running.add(transfer);
          return transfer;
        },
        giveBack: () => sockets.giveBack(lent, key),
      };
    },
    tick() {
      const at = now();
      for (const transfer of running) if (transfer.deadline() <= at) transfer.expire(at);
    },
    closeIdle: () => sockets.closeIdle(),
    async close() {
      // The last packets go out in the turn of the event loop that follows.
      await new Promise<void>((resolve) => setImmediate(resolve));
      sockets.close();
    },
    count: () => sockets.count(),
  };
}
