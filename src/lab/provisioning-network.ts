import type { NetworkNamespace } from './namespace.ts';
import { addBridge, addTap, createNamespace } from './namespace.ts';
import type { PlainDhcp } from './plain-dhcp.ts';
import { startPlainDhcp } from './plain-dhcp.ts';

export interface ProvisioningNetworkOptions {
  /** Address of the bridge with its prefix length: where the server is reached. */
  readonly address?: string;
  /** How many machines can be plugged in: tap0, tap1, … */
  readonly machines?: number;
  /** Another DHCP server beside ours, that gives addresses and nothing else (proxy mode). */
  readonly plainDhcp?: boolean;
}

export interface ProvisioningNetwork extends AsyncDisposable {
  /** Where the server runs; it has `bridge` with `address`. */
  readonly namespace: NetworkNamespace;
  readonly bridge: string;
  /** Without the prefix length. */
  readonly address: string;
  readonly taps: readonly string[];
  /** The namespace of the other DHCP server, which has the address .2 and gives .50 to .99. */
  readonly router?: NetworkNamespace;
  /** What the other DHCP server said so far. */
  readonly routerLog: () => string;
}

/** A switch with a server and cables for machines, in namespaces of its own; nothing reaches the host's network. */
export async function createProvisioningNetwork(
  options: ProvisioningNetworkOptions = {},
): Promise<ProvisioningNetwork> {
  const { address = '10.77.0.1/24', machines = 1, plainDhcp = false } = options;
  await using stack = new AsyncDisposableStack();
  const namespace = stack.use(await createNamespace('provisioning'));
  const bridge = 'br0';
  await addBridge(namespace, bridge, address);
  const taps = Array.from({ length: machines }, (_, index) => `tap${index}`);
  for (const tap of taps) await addTap(namespace, tap, bridge);
  let router: PlainDhcp | undefined;
  if (plainDhcp) {
    const network = address.slice(0, address.lastIndexOf('.'));
    router = stack.use(await startPlainDhcp({ namespace, bridge, network }));
  }
  const owned = stack.move();
  return {
    namespace,
    bridge,
    address: address.slice(0, address.indexOf('/')),
    taps,
    ...(router !== undefined && { router: router.namespace }),
    routerLog: () => router?.log() ?? '',
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
