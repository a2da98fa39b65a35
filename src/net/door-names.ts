import { formatIpv4, UNSPECIFIED } from '../machine/ipv4.ts';
import type { SocketFacts } from './libc-sockets.ts';

export interface DoorPorts {
  readonly http: number;
  readonly tftp: number;
  /** Absent: nothing is received. */
  readonly syslog?: number;
}

/** What a socket must be to be what its name says. */
export interface DoorExpectation {
  readonly type: 'udp' | 'tcp-listening';
  readonly port: number;
  readonly device: string;
}

const DHCP_PORT = 67;
const PXE_PORT = 4011;

/** FileDescriptorName= of the units: kind, a dash, the interface. Undefined: it is none of ours. */
export function expectationOf(name: string, ports: DoorPorts): DoorExpectation | undefined {
  const [, kind, device] = /^([a-z]+)-(.+)$/.exec(name) ?? [];
  if (device === undefined) return undefined;
  switch (kind) {
    case 'dhcp':
      return { type: 'udp', port: DHCP_PORT, device };
    case 'pxe':
      return { type: 'udp', port: PXE_PORT, device };
    case 'tftp':
      return { type: 'udp', port: ports.tftp, device };
    case 'syslog':
      return ports.syslog === undefined ? undefined : { type: 'udp', port: ports.syslog, device };
    case 'http':
      return { type: 'tcp-listening', port: ports.http, device };
    default:
      return undefined;
  }
}

/** The name of the UDP socket for this port and device; undefined for ports that are never inherited. */
export function doorNameOf(port: number, device: string, ports: DoorPorts): string | undefined {
  switch (port) {
    case DHCP_PORT:
      return `dhcp-${device}`;
    case PXE_PORT:
      return `pxe-${device}`;
    case ports.tftp:
      // 0 is that of transfers, each of which opens its own.
      return port === 0 ? undefined : `tftp-${device}`;
    case ports.syslog:
      return `syslog-${device}`;
    default:
      return undefined;
  }
}

/** Why a socket is not what its name says; undefined: it is. */
export function describeMismatch(expected: DoorExpectation, facts: SocketFacts): string | undefined {
  const wanted = expected.type === 'udp' ? 'a UDP socket' : 'a listening TCP socket';
  if (facts.type !== expected.type) return `it is not ${wanted} of IPv4`;
  if (facts.port !== expected.port) return `it has port ${facts.port}, not ${expected.port}`;
  if (facts.deviceIsGone) return `the interface that it was tied to is gone`;
  if (facts.device === undefined)
    return `it is tied to no interface: BindToDevice=${expected.device} is missing`;
  if (facts.device !== expected.device) return `it is tied to ${facts.device}, not to ${expected.device}`;
  if (facts.address !== UNSPECIFIED)
    return `it is bound to ${formatIpv4(facts.address)}, not to all addresses of its interface`;
  return undefined;
}
