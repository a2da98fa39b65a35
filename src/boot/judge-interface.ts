import { formatIpv4, formatNetwork, type Ipv4, type Ipv4Network } from '../machine/ipv4.ts';
import { type Finding, ok, problem, warning } from './finding.ts';

/** What the kernel says of a provisioning interface. */
export interface InterfaceFacts {
  readonly name: string;
  readonly addresses: readonly { readonly address: Ipv4; readonly prefix: number }[];
  readonly mtu: number;
  readonly up: boolean;
  readonly carrier?: boolean;
  /** The stricter of its own and that of all interfaces; 1 is strict. */
  readonly rpFilter?: number;
  /** Only of a bridge. */
  readonly bridge?: { readonly stp: boolean; readonly forwardDelay: number };
  /** Other interfaces of this host in one of its networks. */
  readonly neighbours: readonly string[];
}

export interface InterfaceWish {
  readonly mode: 'proxy' | 'server' | 'off';
  /** Of the subnets that addresses are given in on this interface. */
  readonly networks: readonly Ipv4Network[];
}

/** RFC 791: what every host takes; TFTP and iPXE are tried with Ethernet's. */
const ETHERNET_MTU = 1500;
/** A ROM waits for the link, then asks for a minute at most. In hundredths of a second: the kernel's unit. */
const FORWARD_DELAY_HARMLESS = 200;

export function judgeInterface(facts: InterfaceFacts, wish: InterfaceWish): readonly Finding[] {
  const { name, addresses, mtu, up, carrier } = facts;
  if (!up) return [problem(`${name} is down`, `Bring it up: ip link set ${name} up.`)];
  if (addresses.length === 0)
    return [problem(`${name} has no IPv4 address`, `Give it one: ip address add 10.77.0.1/24 dev ${name}.`)];
  const findings: Finding[] = [];
  if (carrier === false)
    findings.push(
      problem(`${name} has no carrier`, 'Plug in its cable; is the switch, or a machine, powered on?'),
    );
  if (wish.mode === 'server' && wish.networks.length === 0)
    findings.push(
      problem(
        `no range of dhcp lies in a network of ${name}`,
        'Give dhcp.range addresses of its network, or the interface another address.',
      ),
    );
  findings.push(...judgeMtu(name, mtu), ...judgePaths(facts), ...judgeBridge(facts));
  if (findings.some(({ state }) => state !== 'ok')) return findings;
  const listed = addresses.map(({ address, prefix }) => `${formatIpv4(address)}/${prefix}`).join(', ');
  const given = wish.networks.map(formatNetwork).join(', ');
  return [ok(`${name} is up: ${listed}, MTU ${mtu}${given === '' ? '' : `; gives addresses in ${given}`}`)];
}

function judgeMtu(name: string, mtu: number): readonly Finding[] {
  if (mtu < ETHERNET_MTU) {
    return [
      warning(
        `the MTU of ${name} is ${mtu}: machines send packets of ${ETHERNET_MTU}`,
        `Is a tunnel in the way? Else: ip link set ${name} mtu ${ETHERNET_MTU}.`,
      ),
    ];
  }
  if (mtu === ETHERNET_MTU) return [];
  return [
    warning(
      `the MTU of ${name} is ${mtu}: firmware sends and takes ${ETHERNET_MTU} only`,
      'Every switch between must take packets of that size, and TCP agrees on the smaller one; if downloads stall, set 1500.',
    ),
  ];
}

/** Strict reverse paths drop what comes in where the answer would leave elsewhere (RFC 3704). */
function judgePaths({ name, rpFilter, neighbours }: InterfaceFacts): readonly Finding[] {
  if (neighbours.length === 0) return [];
  const others = neighbours.join(', ');
  const shared = `${name} shares its network with ${others}`;
  if (rpFilter === 1) {
    return [
      warning(
        `${shared}, and rp_filter is strict: packets of machines may be dropped`,
        `Give each interface a network of its own, or: sysctl net.ipv4.conf.${name}.rp_filter=2 (and of all).`,
      ),
    ];
  }
  return [
    warning(`${shared}: answers may leave by the wrong one`, 'Give each interface a network of its own.'),
  ];
}

/** Ports that were just plugged in listen, then learn, each for this delay; without the spanning tree they forward at once. */
function judgeBridge({ name, bridge }: InterfaceFacts): readonly Finding[] {
  if (bridge?.stp !== true || bridge.forwardDelay <= FORWARD_DELAY_HARMLESS) return [];
  const seconds = Math.round((2 * bridge.forwardDelay) / 100);
  return [
    warning(
      `${name} is a bridge whose ports forward only ${seconds} s after the link comes up (spanning tree): firmware may give up before`,
      `ip link set ${name} type bridge stp_state 0, where there is no second path; else forward_delay 200. On a real switch: port fast, or edge port.`,
    ),
  ];
}
