import { TinderboxError, toTinderboxError } from './errors.ts';
import type { HttpServer } from './http/port.ts';
import { type KeptDoors, keepDoors, type WantedDoor } from './keep-doors.ts';
import { formatIpv4, type Ipv4, UNSPECIFIED } from './machine/ipv4.ts';
import { openOrDoWithout } from './net/open-without-device.ts';
import type { Doors, NetworkInterface, OpenUdpSocket } from './net/port.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import type { PacketRecorder } from './servers/port.ts';
import { type SyslogOptions, startSyslogServer } from './servers/syslog.ts';
import { startTftpServer } from './servers/tftp.ts';
import type { TftpServerOptions } from './servers/tftp-types.ts';
import { type DhcpWiring, type DoWithout, openDhcpSockets, startDhcpOn } from './wire-dhcp.ts';

/** How long running transfers may go on after a stop was asked for. In ms; below systemd's 90 s by far. */
export const STOP_GRACE = 5000;

const RESTART = { remedy: 'As root: systemctl restart tinderbox.' };

/** HTTP on the addresses of an interface, or on the descriptor that was inherited for it as long as the device lives. */
export function keepHttpDoors(
  name: string,
  http: Pick<HttpServer, 'open'>,
  doors: Pick<Doors, 'httpDescriptor' | 'coversDevice'>,
): KeptDoors {
  const door = (
    key: string,
    placeNow: () => { readonly host: string; readonly fd?: number },
  ): WantedDoor => ({
    key,
    async open() {
      const listeners = await http.open([{ ...placeNow(), via: name }]);
      const leave = () => Promise.resolve(listeners.close());
      // Its server stops all listeners together.
      return { leave, stop: () => Promise.resolve() };
    },
  });
  const inheritedPlace = () => {
    const fd = doors.httpDescriptor(name);
    // Never without it: on all addresses of this host it would serve other networks.
    if (fd === undefined)
      throw new TinderboxError('unavailable', `HTTP on ${name}: its socket is gone`, RESTART);
    return { host: formatIpv4(UNSPECIFIED), fd };
  };
  return keepDoors(({ addresses, index }) =>
    doors.coversDevice?.(name, 'http') === true
      ? [door(`inherited ${index}`, inheritedPlace)]
      : addresses.map(({ address }) => door(formatIpv4(address), () => ({ host: formatIpv4(address) }))),
  );
}

export interface TftpDoorsOptions
  extends Omit<TftpServerOptions, 'addresses' | 'device' | 'via' | 'mtu' | 'openSocket'> {
  readonly name: string;
  readonly doors: Doors;
  readonly doWithout: DoWithout;
  readonly networks: () => ProvisioningNetworks;
}

/** TFTP on each address of an interface, tied to the device. */
export function keepTftpDoors(options: TftpDoorsOptions): KeptDoors {
  const { name, doors, doWithout, networks, ...rest } = options;
  // Each of its sockets is bound to an address of the interface, so that it can do without the device.
  const openSocket: OpenUdpSocket = (asked) => {
    const { device: _device, ...anywhere } = asked;
    return openOrDoWithout(
      () => doors.openUdp(asked),
      () => doors.openUdp(anywhere),
      doWithout,
    );
  };
  const open = async (address: Ipv4, known: NetworkInterface) => {
    const tftp = await startTftpServer({
      ...rest,
      addresses: [address],
      device: name,
      via: name,
      openSocket,
      // Read for each transfer.
      get mtu() {
        return networks().interfaces.find((one) => one.name === name)?.mtu ?? known.mtu;
      },
    });
    return {
      // Its address or its device is gone: no transfer can go on.
      leave() {
        void tftp.stop({ graceMs: 0 });
        return Promise.resolve();
      },
      stop: () => tftp.stop({ graceMs: STOP_GRACE }),
    };
  };
  return keepDoors((now) => {
    // An inherited socket hears all addresses; transfers then go on from the first.
    const covers = doors.coversDevice?.(name, 'tftp') === true;
    return (covers ? now.addresses.slice(0, 1) : now.addresses).map(({ address }) => ({
      key: `${now.index} ${formatIpv4(address)}`,
      open: () => open(address, now),
    }));
  });
}

export interface SyslogDoorsOptions extends Omit<SyslogOptions, 'socket' | 'via' | 'capture'> {
  readonly name: string;
  readonly port: number;
  readonly recorder: PacketRecorder;
  readonly networks: () => ProvisioningNetworks;
  readonly doors: Doors;
  readonly doWithout: DoWithout;
}

/** Bytes: a machine that prints all of its boot at once. */
const SYSLOG_BUFFER = 1024 * 1024;

const WITHOUT_SYSLOG =
  'If another program is to have it, write `syslog: { port: off }` in tinderbox.yaml. Machines boot all the same, but their consoles are not seen.';

/** The syslog port of an interface, on all of its addresses; without a device on the first. */
export function keepSyslogDoors(options: SyslogDoorsOptions): KeptDoors {
  const { name, port, doors, doWithout, recorder, networks, ...rest } = options;
  const addressNow = () => networks().interfaces.find((one) => one.name === name)?.addresses[0]?.address;
  const server = () => ({ address: addressNow() ?? UNSPECIFIED, port });
  const open = async ({ addresses: [first] }: NetworkInterface) => {
    let tiedToDevice = true;
    const asked = { port, receiveBuffer: SYSLOG_BUFFER };
    const socket = await openOrDoWithout(
      () => doors.openUdp({ ...asked, device: name }),
      () => {
        tiedToDevice = false;
        return doors.openUdp({ ...asked, ...(first === undefined ? {} : { address: first.address }) });
      },
      doWithout,
    ).catch((thrown: unknown) => {
      const { code, message, remedy = '' } = toTinderboxError(thrown);
      throw new TinderboxError(code, `syslog: ${message}`, {
        cause: thrown,
        remedy: `${remedy} ${WITHOUT_SYSLOG}`.trim(),
      });
    });
    const syslog = startSyslogServer({ ...rest, socket, via: name, capture: { recorder, server } });
    const stop = () => syslog.stop();
    return {
      leave: stop,
      stop,
      fits: ({ addresses: [now] }: NetworkInterface) => tiedToDevice || now?.address === first?.address,
    };
  };
  // One that is open waits for an address; one that is not is opened with the first one.
  const kept: KeptDoors = keepDoors((now) =>
    now.addresses.length === 0 && kept.count() === 0
      ? []
      : [{ key: String(now.index), open: () => open(now) }],
  );
  return kept;
}

export interface DhcpDoorsOptions {
  readonly name: string;
  readonly doors: Doors;
  readonly doWithout: DoWithout;
  readonly wiring: DhcpWiring;
  /** Runs `answer` now, or once every door of a start is open. */
  readonly whenOpen: (answer: () => void) => void;
}

/**
 * Ports 67 and 4011 of an interface. They are tied to the device and know its addresses for each packet, so that they
 * stay open whatever its addresses are; without a device they are bound to the first.
 */
export function keepDhcpDoors({ name, doors, doWithout, wiring, whenOpen }: DhcpDoorsOptions): KeptDoors {
  const open = async (first: NetworkInterface) => {
    const sockets = await openDhcpSockets(first, doors.openUdp, doWithout);
    let loops: ReturnType<typeof startDhcpOn> | undefined;
    let left = false;
    // Nobody is answered yet; clients ask again.
    const drop = [sockets.dhcp, sockets.pxe].map((socket, at) => {
      const count = (): void => wiring.journal.count(`${at === 0 ? 'dhcp' : 'pxe'}.dropped.before-serving`);
      socket.on('message', count);
      return () => socket.off('message', count);
    });
    whenOpen(() => {
      for (const end of drop) end();
      if (!left) loops = startDhcpOn(name, sockets, wiring);
    });
    const leave = async (): Promise<void> => {
      left = true;
      if (loops !== undefined) return void (await Promise.all(loops.map((loop) => loop.stop())));
      // Nothing answers on them yet, and nobody else closes them.
      for (const socket of [sockets.dhcp, sockets.pxe])
        await new Promise<void>((resolve) => void socket.close(() => resolve()));
    };
    const [bound] = first.addresses;
    return {
      leave,
      stop: leave,
      fits: ({ addresses: [told] }: NetworkInterface) =>
        sockets.tiedToDevice || told?.address === bound?.address,
    };
  };
  // Those that are open wait for an address; those that are not are opened with the first one.
  const kept: KeptDoors = keepDoors((now) =>
    now.addresses.length === 0 && kept.count() === 0
      ? []
      : [{ key: String(now.index), open: () => open(now) }],
  );
  return kept;
}
