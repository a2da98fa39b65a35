import { readTftpFile } from './lab/tftp-client.ts';
import type { FetchHttp, ReadTftpFile } from './lab/virtual-client-types.ts';
import { openUdpSocket } from './net/open-udp-socket.ts';
import type { OpenUdpSocket } from './net/port.ts';

/** What a virtual client needs of the real world, for `tinderbox simulate`. */
export const simulationDeps: {
  readonly openSocket: OpenUdpSocket;
  readonly readFile: ReadTftpFile;
  readonly fetch: FetchHttp;
} = {
  openSocket: openUdpSocket,
  readFile: (host, port, name, options) => readTftpFile(host, port, name, options),
  fetch: (url, init) => fetch(url, init),
};
