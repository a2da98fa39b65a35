import { constants, endianness } from 'node:os';
import { TinderboxError } from '../errors.ts';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import { decodeRouteAnswer, encodeLocalRoute } from '../protocol/netlink-route.ts';
import { loadLibc } from './libc.ts';
import type { BorrowedAddresses } from './port.ts';

/**
 * Makes addresses this host's own for as long as the process wants: as routes of the kernel's local table (what `ip route
 * add local ADDRESS dev lo` does), not on an interface, where a daemon of this host would open doors on each of them.
 * Throws TinderboxError `refused` without CAP_NET_ADMIN, `unavailable` where koffi cannot be loaded.
 */
export function borrowAddresses(): BorrowedAddresses {
  const libc = loadLibc();
  const isLittle = endianness() === 'LE';
  const fd = libc.openRouteDescriptor();
  const borrowed = new Set<Ipv4>();
  let sequence = 0;
  const change = (action: 'add' | 'remove', address: Ipv4): number =>
    decodeRouteAnswer(
      libc.askKernel(fd, encodeLocalRoute(action, address, ++sequence, isLittle)),
      isLittle,
    ) ?? constants.errno.EPROTO;

  return {
    borrow(address) {
      if (borrowed.has(address)) return;
      const errno = change('add', address);
      // It is this host's already, or another storm's: then it stays when this one ends.
      if (errno === constants.errno.EEXIST) return;
      if (errno !== 0) throw explain(address, errno);
      borrowed.add(address);
    },
    giveBack() {
      // One that is gone already does no harm.
      for (const address of borrowed) change('remove', address);
      borrowed.clear();
      libc.closeDescriptor(fd);
    },
  };
}

function explain(address: Ipv4, errno: number): TinderboxError {
  const { EPERM, EACCES } = constants.errno;
  const what = `${formatIpv4(address)} cannot be made an address of this host`;
  if (errno === EPERM || errno === EACCES) {
    return new TinderboxError('refused', `${what}: this user may not change its routes`, {
      remedy:
        'Each machine of a storm has an address of its own, which needs root (CAP_NET_ADMIN): run it with sudo, or in a ' +
        'network namespace of your own (unshare --user --map-root-user --net).',
    });
  }
  const name = Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
  return new TinderboxError('unavailable', `${what}: ${name}`);
}
