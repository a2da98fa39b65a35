import { endianness } from 'node:os';

/*
 * Structures of the kernel on 64 bits, the lower byte first (recvmmsg(2), readv(2), ip(7), cmsg(3), udp(7)):
 *
 *   struct mmsghdr   name 0, namelen 8, iov 16, iovlen 24, control 32, controllen 40, flags 48, len 56; 64 bytes
 *   struct iovec     base 0, len 8; 16 bytes
 *   sockaddr_in      family 0 (host's order), port 2, address 4; 16 bytes
 *   struct cmsghdr   len 0 (8), level 8, type 12, data 16; UDP_SEGMENT has two bytes of data, and 24 with its padding
 */
export const MMSGHDR = 64;
export const NAME = 0;
export const NAME_LENGTH = 8;
export const VECTOR = 16;
export const VECTOR_COUNT = 24;
export const CONTROL = 32;
export const CONTROL_LENGTH = 40;
export const LENGTH = 56;
export const IOVEC = 16;
export const SOCKADDR = 16;
export const CMSG = 24;
export const CMSG_DATA = 16;
export const CMSG_USED = CMSG_DATA + 2;

export const AF_INET = 2;
export const MSG_DONTWAIT = 0x40;
export const SOL_UDP = 17;
export const UDP_SEGMENT = 103;

/** Whether that is how this processor has them. */
export function hasKnownLayout(arch: string = process.arch, order: string = endianness()): boolean {
  return ['arm64', 'loong64', 'riscv64', 'x64'].includes(arch) && order === 'LE';
}
