import { TinderboxError } from '../errors.ts';
import type { NetworkNamespace } from './namespace.ts';
import { addAddress, addVethPair, createNamespace, joinBridge } from './namespace.ts';

export interface PlainDhcpOptions {
  /** Where the switch is. */
  readonly namespace: NetworkNamespace;
  readonly bridge: string;
  /** The first three numbers of the network's addresses; or where exactly it is, and what it gives. */
  readonly network: string | PlainDhcpPlace;
  /** It looks for three seconds whether an address is in use before it offers it, as dnsmasq does unless told. */
  readonly ping?: true;
  /** More arguments of dnsmasq: a boot file of its own, say. */
  readonly more?: readonly string[];
}

export interface PlainDhcpPlace {
  /** With its prefix length. */
  readonly address: string;
  readonly first: string;
  readonly last: string;
}

/** The DHCP server of a router: it gives addresses and no boot file. It is gone with its cable when disposed of. */
export interface PlainDhcp extends AsyncDisposable {
  /** Unless told, it has the address .2 and gives .50 to .99. */
  readonly namespace: NetworkNamespace;
  /** What it said so far. */
  readonly log: () => string;
}

/** Characters. */
const MAX_LOG = 1_000_000;

/** Plugs one into the switch. Throws TinderboxError `unavailable` if it does not start. */
export async function startPlainDhcp({
  namespace,
  bridge,
  network,
  ping,
  more = [],
}: PlainDhcpOptions): Promise<PlainDhcp> {
  await using stack = new AsyncDisposableStack();
  const router = stack.use(await createNamespace('router'));
  await addVethPair({ namespace, name: 'uplink0' }, { namespace: router, name: 'eth0' });
  await joinBridge(namespace, 'uplink0', bridge);
  const place =
    typeof network === 'string'
      ? { address: `${network}.2/24`, first: `${network}.50`, last: `${network}.99` }
      : network;
  await addAddress(router, 'eth0', place.address);
  let log = '';
  await startDnsmasq(router, place, ping === true, more, (text) => {
    log = (log + text).slice(-MAX_LOG);
  });
  const owned = stack.move();
  return { namespace: router, log: () => log, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

async function startDnsmasq(
  router: NetworkNamespace,
  { address, first, last }: PlainDhcpPlace,
  ping: boolean,
  more: readonly string[],
  onLog: (text: string) => void,
): Promise<void> {
  const argv = [
    // no-daemon: stay in the foreground, and do not change the user, which a user namespace forbids.
    ['dnsmasq', '--no-daemon', '--conf-file=/dev/null', '--port=0', '--log-dhcp', '--leasefile-ro'],
    ['--interface=eth0', '--bind-interfaces'],
    [`--dhcp-range=${first},${last},10m`, `--dhcp-option=option:router,${address.replace(/\/.*/, '')}`],
    ping ? [] : ['--no-ping'],
    more,
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
