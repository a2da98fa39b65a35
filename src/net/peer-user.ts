import type { Socket } from 'node:net';
import { loadLibc } from './libc.ts';

/**
 * The user ID of the process that connected to a unix socket, as the kernel remembers it (SO_PEERCRED, unix(7));
 * undefined where it cannot be asked. Node has no public name for a descriptor, so that a version of it that hides this
 * one is no error.
 */
export function peerUserId(socket: Socket): number | undefined {
  // oxlint-disable-next-line no-underscore-dangle -- Node's own name
  const handle = (socket as { readonly _handle?: { readonly fd?: number } | null })._handle;
  const fd = handle?.fd;
  if (typeof fd !== 'number' || fd < 0) return undefined;
  try {
    return loadLibc().peerUserId(fd);
  } catch {
    return undefined;
  }
}
