import koffi from 'koffi';

/** The C library, for clients that are to cost less than what they measure. */
export const libc = koffi.load('libc.so.6');

export const AF_INET = 2;
export const POLLIN = 1;
/** Bytes of a struct pollfd: descriptor 0 (4), events 4 (2), what happened 6 (2). */
export const POLLFD = 8;

/** A struct sockaddr_in, 16 bytes. */
export function socketAddress(host: readonly number[], port: number): Buffer {
  const address = Buffer.alloc(16);
  address.writeUInt16LE(AF_INET, 0);
  address.writeUInt16BE(port, 2);
  address.set(host, 4);
  return address;
}
