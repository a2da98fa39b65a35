import { readTftpFile } from './lab/tftp-client.ts';
import type { FetchHttp, ReadTftpFile } from './lab/virtual-client-types.ts';
import { borrowAddresses } from './net/borrow-addresses.ts';
import { openUdpSocket } from './net/open-udp-socket.ts';
import type { BorrowedAddresses, OpenUdpSocket } from './net/port.ts';

/** What virtual clients need of the real world, for `tinderbox simulate`. */
export const simulationDeps: {
  readonly openSocket: OpenUdpSocket;
  readonly readFile: ReadTftpFile;
  readonly fetch: FetchHttp;
  /** For many at once, each with an address of its own. */
  readonly borrowAddresses: () => BorrowedAddresses;
} = {
  openSocket: openUdpSocket,
  readFile: (host, port, name, options) => readTftpFile(host, port, name, options),
  fetch: (url, init) => fetch(url, init),
  borrowAddresses,
};
