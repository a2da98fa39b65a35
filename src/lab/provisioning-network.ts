import { TinderboxError } from '../errors.ts';
import type { NetworkNamespace } from './namespace.ts';
import { addAddress, addBridge, addTap, addVethPair, createNamespace, joinBridge } from './namespace.ts';

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
  let log = '';
  let router: NetworkNamespace | undefined;
  if (plainDhcp) {
    router = stack.use(await createNamespace('router'));
    await addVethPair({ namespace, name: 'uplink0' }, { namespace: router, name: 'eth0' });
    await joinBridge(namespace, 'uplink0', bridge);
    const network = address.slice(0, address.lastIndexOf('.'));
    await addAddress(router, 'eth0', `${network}.2/24`);
    await startPlainDhcp(router, network, (text) => {
      log = (log + text).slice(-MAX_LOG);
    });
  }
  const owned = stack.move();
  return {
    namespace,
    bridge,
    address: address.slice(0, address.indexOf('/')),
    taps,
    ...(router !== undefined && { router }),
    routerLog: () => log,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Characters. */
const MAX_LOG = 1_000_000;

/** dnsmasq as the DHCP server of a router: addresses, no boot file. `network` is the first three numbers. */
async function startPlainDhcp(
  router: NetworkNamespace,
  network: string,
  onLog: (text: string) => void,
): Promise<void> {
  const argv = [
    // no-daemon: stay in the foreground, and do not change the user, which a user namespace forbids.
    ['dnsmasq', '--no-daemon', '--conf-file=/dev/null', '--port=0', '--log-dhcp', '--leasefile-ro'],
    ['--interface=eth0', '--bind-interfaces'],
    [`--dhcp-range=${network}.50,${network}.99,10m`, `--dhcp-option=option:router,${network}.2`],
    // Its check whether an address is in use takes three seconds.
    ['--no-ping'],
  ].flat();
  const server = router.spawn(argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  await new Promise<void>((resolve, reject) => {
    let said = '';
    server.stderr?.on('data', (chunk: Buffer) => {
      const text = chunk.toString('utf8');
      onLog(text);
      if (said.length < MAX_LOG) said += text;
      if (said.includes('DHCP, IP range')) resolve();
    });
    const fail = (): void =>
      reject(
        new TinderboxError('unavailable', `dnsmasq did not start: ${said.trim()}`, {
          remedy: 'Install the package dnsmasq-base.',
        }),
      );
    server.once('exit', fail);
    server.once('error', fail);
  });
}
