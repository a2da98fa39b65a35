import { TinderboxError } from '../errors.ts';
import { broadcastOf, formatIpv4, type Ipv4, networkOf } from '../machine/ipv4.ts';
import { addAddress, addBridge, addTap, createNamespace, type NetworkNamespace } from './namespace.ts';
import { type PlainDhcpPlace, startPlainDhcp } from './plain-dhcp.ts';

/** An interface of this host, to be had again in a namespace. */
export interface CopiedInterface {
  readonly name: string;
  readonly addresses: readonly { readonly address: Ipv4; readonly prefix: number }[];
}

export interface RehearsalNetworkOptions {
  readonly interfaces: readonly CopiedInterface[];
  /** The one that the machine is plugged into. */
  readonly machineOn: string;
  /** Another DHCP server beside ours, that gives addresses and nothing else (proxy mode). */
  readonly plainDhcp: boolean;
}

export interface RehearsalNetwork extends AsyncDisposable {
  readonly namespace: NetworkNamespace;
  readonly tap: string;
}

const TAP = 'tap-rehearse';
/** As many addresses as the other DHCP server gives at most. */
const MOST = 50;

/**
 * Bridges in a namespace of their own with the names and addresses of this host's interfaces, so that the same
 * configuration holds there; nothing of it reaches this host's networks. Throws TinderboxError `refused` where no
 * namespace can be made.
 */
export async function createRehearsalNetwork(options: RehearsalNetworkOptions): Promise<RehearsalNetwork> {
  const { interfaces, machineOn, plainDhcp } = options;
  await using stack = new AsyncDisposableStack();
  const namespace = stack.use(await createNamespace('rehearsal'));
  for (const { name, addresses } of interfaces) {
    await addBridge(namespace, name);
    for (const { address, prefix } of addresses)
      await addAddress(namespace, name, `${formatIpv4(address)}/${prefix}`);
  }
  await addTap(namespace, TAP, machineOn);
  if (plainDhcp) {
    const own = interfaces.find(({ name }) => name === machineOn)?.addresses[0];
    if (own === undefined) throw new TinderboxError('not-found', `${machineOn} has no address`);
    stack.use(
      await startPlainDhcp({ namespace, bridge: machineOn, network: placeBeside(own.address, own.prefix) }),
    );
  }
  const owned = stack.move();
  return { namespace, tap: TAP, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/**
 * Where another server of this network fits in: it, and what it gives, are other addresses than ours. Throws
 * TinderboxError `unavailable` where the network has no room for three.
 */
export function placeBeside(own: Ipv4, prefix: number): PlainDhcpPlace {
  const network = networkOf(own, prefix);
  const end = broadcastOf(network);
  const free: Ipv4[] = [];
  for (let address = network.address + 1; address < end && free.length <= MOST; address += 1)
    if (address !== own) free.push(address as Ipv4);
  // What it gives is one range, so ours must not lie within: it is the part of the free ones on one side.
  const [server, ...rest] = free;
  const below = rest.filter((address) => address < own);
  const above = rest.filter((address) => address > own);
  const given = above.length >= below.length ? above : below;
  const [first, last] = [given[0], given.at(-1)];
  if (server === undefined || first === undefined || last === undefined) {
    throw new TinderboxError(
      'unavailable',
      `${formatIpv4(own)}/${prefix} has no room for another DHCP server and a machine`,
      { remedy: 'Rehearse with another network: --address 10.77.0.1/24.' },
    );
  }
  return { address: `${formatIpv4(server)}/${prefix}`, first: formatIpv4(first), last: formatIpv4(last) };
}
