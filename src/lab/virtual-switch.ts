import type { NetworkNamespace } from './namespace.ts';
import { addBridge, addTap, createNamespace } from './namespace.ts';
import type { PlainDhcp } from './plain-dhcp.ts';
import { startPlainDhcp } from './plain-dhcp.ts';

export interface VirtualSwitch extends AsyncDisposable {
  readonly namespace: NetworkNamespace;
  /** One for each cable: tap0, tap1, … */
  readonly taps: readonly string[];
  /** Another DHCP server on the wire from now on; of 10.77.0.0/24, at .2. */
  readonly plugInDhcp: () => Promise<PlainDhcp>;
}

/** A switch that has no address, and only machines on it: the server is one of them, not a part of the host. */
export async function createVirtualSwitch({ cables }: { readonly cables: number }): Promise<VirtualSwitch> {
  await using stack = new AsyncDisposableStack();
  const namespace = stack.use(await createNamespace('switch'));
  const bridge = 'br0';
  await addBridge(namespace, bridge);
  const taps = Array.from({ length: cables }, (_, index) => `tap${index}`);
  for (const tap of taps) await addTap(namespace, tap, bridge);
  const owned = stack.move();
  return {
    namespace,
    taps,
    plugInDhcp: async () => owned.use(await startPlainDhcp({ namespace, bridge, network: '10.77.0' })),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
