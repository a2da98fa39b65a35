import { readTftpFile } from './lab/tftp-client.ts';
import type { FetchHttp, ReadTftpFile } from './lab/virtual-client-types.ts';
import { inBatches } from './net/batch-socket.ts';
import { borrowAddresses } from './net/borrow-addresses.ts';
import { openUdpSocket } from './net/open-udp-socket.ts';
import type { BorrowedAddresses, DatagramSocket, OpenUdpSocket } from './net/port.ts';

/** What virtual clients need of the real world, for `tinderbox simulate`. */
export const simulationDeps: {
  readonly openSocket: OpenUdpSocket;
  readonly inBatches: (socket: DatagramSocket) => DatagramSocket;
  readonly readFile: ReadTftpFile;
  readonly fetch: FetchHttp;
  /** For many at once, each with an address of its own. */
  readonly borrowAddresses: () => BorrowedAddresses;
} = {
  openSocket: openUdpSocket,
  inBatches: (socket) => inBatches(socket),
  readFile: (host, port, name, options) => readTftpFile(host, port, name, options),
  fetch: (url, init) => fetch(url, init),
  borrowAddresses,
};
