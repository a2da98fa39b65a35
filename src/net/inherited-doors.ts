import type { Socket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type DoorPorts, describeMismatch, doorNameOf, expectationOf } from './door-names.ts';
import type { InheritedSocket } from './inherited-sockets.ts';
import type { Libc } from './libc.ts';
import { adoptUdpDescriptor, openUdpSocket } from './open-udp-socket.ts';
import type { Doors, OpenUdpSocket, UdpSocketOptions } from './port.ts';

export interface InheritedDoorsOptions {
  readonly inherited: readonly InheritedSocket[];
  readonly ports: DoorPorts;
  /** The interfaces that there are at the start. */
  readonly present: ReadonlySet<string>;
  /** Undefined where it cannot be called: descriptors are then taken at their word, and handed out once. */
  readonly libc: Libc | undefined;
  readonly logger: Logger;
  /**
   * Called once when only a new start can bring what is asked for: an interface came (back) after the start, systemd has
   * its sockets or can open them now, and this process may not.
   */
  readonly startAnew: (reason: string) => void;
  /** For tests. */
  readonly openOwn?: OpenUdpSocket;
}

export interface InheritedDoors extends Doors {
  /** Names of descriptors that nobody asked for so far. */
  readonly unused: () => readonly string[];
}

/**
 * Doors that systemd has opened. Each descriptor is kept, and a duplicate handed out: an interface whose address changes
 * is opened anew, and a port below 1024 could not be. What is not inherited is opened here, and the log says so.
 */
export function inheritDoors(options: InheritedDoorsOptions): InheritedDoors {
  const { inherited, ports, present, libc, logger, openOwn = openUdpSocket } = options;
  const kept = new Map<string, number>();
  const handedOut = new Set<string>();
  let isAsked = false;

  for (const { fd, name } of inherited) {
    const problem = judge(fd, name);
    if (problem === undefined && !kept.has(name)) {
      libc?.closeOnExec(fd);
      kept.set(name, fd);
      continue;
    }
    logger.warn(
      { descriptor: fd, name },
      `the inherited socket ${name} is not used: ${problem ?? 'there is another one of that name'}; look at its .socket unit`,
    );
    closeSync(fd);
  }
  if (kept.size > 0) logger.info(`inherited sockets: ${[...kept.keys()].join(', ')}`);

  function judge(fd: number, name: string): string | undefined {
    const expected = expectationOf(name, ports);
    if (expected === undefined)
      return 'its FileDescriptorName= is none of dhcp-, pxe-, tftp-, http-, syslog- (if it is on) and an interface';
    if (libc === undefined) return undefined;
    try {
      return describeMismatch(expected, libc.describeSocket(fd));
    } catch (error) {
      return toTinderboxError(error).message;
    }
  }

  /** Whether there is one, and for the interface as it is now: it may have gone, and another come under its name. */
  function isKept(name: string): boolean {
    const fd = kept.get(name);
    if (fd === undefined) return false;
    if (judge(fd, name) === undefined) return true;
    kept.delete(name);
    closeSync(fd);
    handedOut.add(name);
    return false;
  }

  /** A descriptor to be closed by who gets it. */
  function take(name: string): number | undefined {
    const fd = isKept(name) ? kept.get(name) : undefined;
    if (fd === undefined) return undefined;
    const isAgain = handedOut.has(name);
    handedOut.add(name);
    if (libc !== undefined) return libc.duplicate(fd);
    return isAgain ? undefined : fd;
  }

  /** The interface came after this process was started, so systemd may have its sockets by now, or again. */
  function cameLater(name: string, device: string): boolean {
    return handedOut.has(name) || !present.has(device);
  }

  function askForStart(device: string): void {
    if (isAsked) return;
    isAsked = true;
    options.startAnew(`${device} is here (again), and systemd hands over its sockets at a start only`);
  }

  async function openUdp(how: UdpSocketOptions): Promise<Socket> {
    const { device } = how;
    const name = device === undefined ? undefined : doorNameOf(how.port, device, ports);
    if (device === undefined || name === undefined) return openOwn(how);
    const fd = take(name);
    if (fd !== undefined) {
      // Its buffer is the unit's: asked for here, it would shrink to net.core.rmem_max.
      const socket = await adoptUdpDescriptor(fd, how.broadcast === true ? { broadcast: true } : {});
      // libuv turns it on, and systemd before: another server with it set could then share the port.
      libc?.setOption(fd, 'reuseAddress', 0);
      return socket;
    }
    try {
      const socket = await openOwn(how);
      if (kept.size > 0) logger.info(`no socket ${name} was inherited: opened UDP port ${how.port} myself`);
      return socket;
    } catch (thrown) {
      throw explain(toTinderboxError(thrown), name, device);
    }
  }

  function explain(error: TinderboxError, name: string, device: string): TinderboxError {
    if (error.code !== 'refused') return error;
    if (cameLater(name, device)) askForStart(device);
    return new TinderboxError('refused', `${error.message}, and no socket ${name} was inherited`, {
      cause: error,
      remedy: `As root: systemctl status 'tinderbox-*@*.socket' says why; then: tinderbox init --sockets, or systemctl restart tinderbox.`,
    });
  }

  return {
    openUdp,
    httpDescriptor: (device) => take(`http-${device}`),
    coversDevice: (device, kind) => isKept(`${kind}-${device}`),
    unused: () => [...kept.keys()].filter((name) => !handedOut.has(name)),
  };
}
