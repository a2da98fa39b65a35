import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Finding, ok, problem, skipped } from './boot/finding.ts';
import type { DoctorContext } from './doctor-context.ts';
import { joinOk } from './doctor-files.ts';
import { toTinderboxError } from './errors.ts';
import { formatIpv4, type Ipv4 } from './machine/ipv4.ts';
import { openUdpSocket } from './net/open-udp-socket.ts';
import type { NetworkInterface } from './net/port.ts';
import { describeHolders, whoHoldsTcpPort, whoHoldsUdpPort } from './net/who-holds-port.ts';
import { DHCP_PORT, PXE_PORT } from './wire-dhcp.ts';

interface Door {
  readonly protocol: 'UDP' | 'TCP';
  readonly port: number;
  readonly what: string;
  /** Of an interface; absent: of the host alone. */
  readonly via?: NetworkInterface;
  readonly host?: string;
  /** Nobody boots less without it. */
  readonly minor?: true;
}

/** Whether what machines knock at is Tinderbox's, or can be. */
export async function checkPorts(context: DoctorContext): Promise<readonly Finding[]> {
  const { config, status, preflight, inDaemon } = context;
  const { host } = await preflight;
  const present = config.network.interfaces.flatMap((name) => {
    const found = host.find((one) => one.name === name);
    return found === undefined || found.addresses.length === 0 ? [] : [found];
  });
  const doors = present.flatMap((via) => doorsOf(context, via));
  const { listen } = config.admin;
  const admin: readonly Door[] =
    listen === undefined
      ? []
      : [{ protocol: 'TCP', port: listen.port, what: 'admin', host: listen.host, minor: true }];
  const findings: Finding[] = [];
  for (const door of [...doors, ...admin])
    findings.push(
      weigh(door, status === undefined ? await tryDoor(door) : await lookAtDoor(door, status.pid, inDaemon)),
    );
  return joinOk(findings);
}

/** Nobody boots less without it. */
function weigh({ minor }: Door, finding: Finding): Finding {
  return minor === true && finding.state === 'problem' ? { ...finding, state: 'warning' } : finding;
}

function doorsOf({ config }: DoctorContext, via: NetworkInterface): readonly Door[] {
  const dhcp: readonly Door[] =
    config.dhcp.mode === 'off'
      ? []
      : [
          { protocol: 'UDP', port: DHCP_PORT, what: 'DHCP', via },
          { protocol: 'UDP', port: PXE_PORT, what: 'PXE', via },
        ];
  const syslog: readonly Door[] =
    config.syslog.port === undefined
      ? []
      : [{ protocol: 'UDP', port: config.syslog.port, what: 'syslog', via, minor: true }];
  return [
    ...dhcp,
    { protocol: 'UDP', port: config.tftp.port, what: 'TFTP', via },
    { protocol: 'TCP', port: config.http.port, what: 'HTTP', via },
    ...syslog,
  ];
}

/** A daemon runs: that it could not open one it says itself, as the state of the interface; here is who has it. */
async function lookAtDoor(door: Door, daemon: number | undefined, inDaemon: boolean): Promise<Finding> {
  const holders = await holdersOf(door);
  const name = nameOf(door);
  const isOurs = holders.some(({ pid }) => pid !== undefined && pid === (inDaemon ? process.pid : daemon));
  if (isOurs) return ok(`${name} is tinderbox's`);
  const others = describeHolders(holders, 0);
  if (holders.length === 0) return problem(`nobody has ${name}`, 'Its log says why: journalctl -u tinderbox');
  // Without the right to look into other processes, or of a daemon that does not tell its number.
  if (others === undefined || daemon === undefined) return ok(`${name} is held`);
  return problem(
    `${name} is held by ${others}, not by tinderbox`,
    `Stop ${others}, or keep it off this interface.`,
  );
}

/** No daemon runs: it is opened for a moment, as the daemon would. */
async function tryDoor(door: Door): Promise<Finding> {
  const name = nameOf(door);
  try {
    await open(door);
    return ok(`${name} is free`);
  } catch (thrown) {
    const { code, message } = toTinderboxError(thrown);
    const who = describeHolders(await holdersOf(door), 0);
    // Its sockets wait for the service to start.
    if (code === 'in-use' && who !== undefined && /^systemd \(pid 1\)$/.test(who))
      return ok(`${name} is held by systemd for tinderbox`);
    if (code === 'refused')
      return who === undefined
        ? skipped(`${name}: ${message}`, 'Run this as root.')
        : skipped(`${name} may be in use: ${who} has it on some interface`, 'Run this as root.');
    if (code !== 'in-use') return problem(`${name}: ${message}`);
    return problem(
      `${name} is held by ${who ?? 'another program'}`,
      `Stop ${who ?? 'it'}, or keep it off this interface.`,
    );
  }
}

async function open({ protocol, port, via, host }: Door): Promise<void> {
  if (protocol === 'UDP') {
    const isDhcp = port === DHCP_PORT || port === PXE_PORT;
    const [first] = via?.addresses ?? [];
    const socket = await openUdpSocket({
      port,
      ...(via === undefined ? {} : { device: via.name }),
      ...(isDhcp || first === undefined ? {} : { address: first.address }),
    });
    return new Promise((resolve) => void socket.close(() => resolve()));
  }
  const server = createServer();
  server.listen({
    port,
    host: host ?? formatIpv4(via?.addresses[0]?.address ?? (0 as Ipv4)),
    exclusive: true,
  });
  await once(server, 'listening');
  await new Promise((resolve) => server.close(resolve));
}

function holdersOf({ protocol, port, via, host }: Door) {
  const address = via?.addresses[0]?.address;
  if (protocol === 'UDP') return whoHoldsUdpPort(port, address);
  return whoHoldsTcpPort(port, host === undefined ? address : undefined);
}

function nameOf({ protocol, port, what, via, host }: Door): string {
  return `${protocol} ${port} (${what}) on ${via?.name ?? host ?? 'this host'}`;
}
