import { TinderboxError, toTinderboxError } from '../errors.ts';
import { formatIpv4, type Ipv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { buildAsk, type Persona } from './virtual-client-packets.ts';
import { describeReply, isAddressOffer, isProxyOffer, type Reply } from './virtual-client-replies.ts';
import {
  type ClientRun,
  failStep,
  openTransaction,
  runStep,
  type Transaction,
} from './virtual-client-run.ts';

export interface Configured {
  /** The ACK that gave the address. */
  readonly lease: Reply;
  /** The reply that names the boot file: the lease, a proxy's offer, or a proxy's ACK on 4011. Absent for the OS. */
  readonly boot?: Reply;
}

/** A server that says NAK to its own offer is asked afresh, this often in all (RFC 2131 3.1, point 5). */
const TRIES_AFTER_NAK = 3;

/**
 * DISCOVER, OFFER, REQUEST, ACK, and where the firmware would, port 4011. Throws TinderboxError: `refused` for a NAK
 * again and again, else `unavailable`.
 */
export async function configureByDhcp(run: ClientRun, persona: Persona): Promise<Configured> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await configureOnce(run, persona);
    } catch (thrown) {
      if (toTinderboxError(thrown).code !== 'refused' || attempt >= TRIES_AFTER_NAK) throw thrown;
    }
  }
}

async function configureOnce(run: ClientRun, persona: Persona): Promise<Configured> {
  const transaction = openTransaction(run);
  try {
    const choice = await discover(run, persona, transaction);
    const lease = await request(run, persona, transaction, choice.address);
    await run.deps.useAddress?.(lease.address, lease.prefix);
    if (persona === 'os') return { lease };
    // The ACK replaces the offer of the same server; a proxy has nothing to acknowledge on port 67.
    const boot = choice.boot === undefined || choice.boot === choice.address ? lease : choice.boot;
    if (!asksPort4011(persona, boot)) return { lease, boot };
    return { lease, boot: await askProxy(run, persona, boot, lease) };
  } finally {
    transaction.close();
  }
}

interface Choice {
  readonly address: Reply;
  /** Absent where nothing offers to boot. */
  readonly boot?: Reply;
}

async function discover(run: ClientRun, persona: Persona, transaction: Transaction): Promise<Choice> {
  const { timing } = run.options;
  const wanted =
    persona === 'rom' ? run.machine.architecture.label : persona === 'ipxe' ? 'iPXE' : 'operating system';
  return runStep(run, `${persona}-discover`, `DISCOVER as ${wanted} by broadcast`, async () => {
    const started = run.deps.now();
    const elapsed = (): number => run.deps.now() - started;
    const choose = (): Choice | undefined =>
      chooseOffer(persona, run.machine.architecture.transport, transaction.replies);
    /** iPXE takes an offer without a proxy's only after its wait, or where option 175 says that no proxy comes. */
    const complete = (): boolean => {
      const choice = choose();
      if (choice === undefined) return false;
      if (persona !== 'ipxe') return true;
      return choice.address.noPxeDhcp || (choice.boot !== undefined && isProxyOffer(choice.boot));
    };
    /** At the end of a wait: whether what is there is good enough to stop asking. */
    const settled = (): boolean =>
      complete() || (choose() !== undefined && elapsed() >= timing.ipxeProxyWait);
    let secs = 0;
    let tries = 0;
    for (const wait of timing.discoverWaits) {
      if (run.options.signal.aborted) break;
      await transaction.broadcast(
        buildAsk(run.machine, persona, { type: 'discover', xid: transaction.xid, secs }),
      );
      tries++;
      const patience =
        persona === 'ipxe' ? Math.min(wait, Math.max(0, timing.ipxeProxyWait - elapsed())) : wait;
      await transaction.listen(patience, complete);
      if (!settled()) await transaction.listen(wait - patience, settled);
      if (persona === 'rom' && complete()) await transaction.listen(timing.settle, () => false);
      const choice = settled() || tries === timing.discoverWaits.length ? choose() : undefined;
      if (choice !== undefined) {
        const answered = describeOffers(transaction.replies, tries);
        return { value: choice, answered, bytes: lengthOf(choice.address) };
      }
      secs += Math.round(wait / 1000);
    }
    throw explainNoOffer(run, persona, transaction, tries);
  });
}

function lengthOf(reply: Reply): number {
  return [...reply.packet.options.values()].reduce((sum, value) => sum + value.length + 2, 240);
}

function describeOffers(replies: readonly Reply[], tries: number): string {
  const offers = replies.map(describeReply).filter((text, index, all) => all.indexOf(text) === index);
  return `${offers.join('; ')}${tries > 1 ? ` (at try ${tries})` : ''}`;
}

/**
 * What the firmware boots from (code: EDK2's PxeBcSelectDhcpOffer, HttpBootSelectDhcpOffer; iPXE's dhcp_discovery_rx):
 * a whole PXE offer with an address, a proxy's, an offer that leads to 4011, a plain one with a boot file.
 * Undefined: it would go on asking.
 */
export function chooseOffer(
  persona: Persona,
  transport: 'tftp' | 'http',
  replies: readonly Reply[],
): Choice | undefined {
  const addresses = replies.filter(isAddressOffer);
  const [first] = addresses;
  if (first === undefined) return undefined;
  const proxies = replies.filter(isProxyOffer);
  switch (persona) {
    case 'os':
      return { address: first };
    case 'ipxe':
      return chooseForIpxe(addresses, proxies, first);
    case 'rom':
      return transport === 'http'
        ? chooseForHttpBoot(addresses, proxies, first)
        : chooseForPxe(addresses, proxies, first);
  }
}

/** Boots or not, iPXE takes an address: its script may be embedded. */
function chooseForIpxe(addresses: readonly Reply[], proxies: readonly Reply[], first: Reply): Choice {
  const address = addresses.find(namesFile) ?? first;
  const proxy = address.noPxeDhcp ? undefined : (proxies.find(namesFile) ?? proxies[0]);
  if (proxy !== undefined) return { address, boot: proxy };
  return namesFile(address) ? { address, boot: address } : { address };
}

function chooseForHttpBoot(
  addresses: readonly Reply[],
  proxies: readonly Reply[],
  first: Reply,
): Choice | undefined {
  const own = addresses.find(isHttpBoot);
  if (own !== undefined) return { address: own, boot: own };
  const proxy = proxies.find(isHttpBoot);
  return proxy === undefined ? undefined : { address: first, boot: proxy };
}

function chooseForPxe(
  addresses: readonly Reply[],
  proxies: readonly Reply[],
  first: Reply,
): Choice | undefined {
  const whole = addresses.find((reply) => isPxe(reply) && reply.pxeControl);
  if (whole !== undefined) return { address: whole, boot: whole };
  const proxy = proxies.find((reply) => isPxe(reply) && reply.pxeControl) ?? proxies.find(isPxe);
  if (proxy !== undefined) return { address: addresses.find((reply) => !isPxe(reply)) ?? first, boot: proxy };
  const other = addresses.find(isPxe) ?? addresses.find(namesFile);
  return other === undefined ? undefined : { address: other, boot: other };
}

function namesFile(reply: Reply): boolean {
  return reply.bootFile !== '';
}

function isPxe(reply: Reply): boolean {
  return reply.vendorClass === 'PXEClient';
}

function isHttpBoot(reply: Reply): boolean {
  return reply.vendorClass === 'HTTPClient' && namesFile(reply);
}

/** EDK2 goes to 4011 with every PXE offer that lacks control options; iPXE only for a file name that it lacks. */
function asksPort4011(persona: Persona, boot: Reply): boolean {
  if (boot.vendorClass !== 'PXEClient') return false;
  if (persona === 'ipxe') return boot.bootFile === '' && boot.address === UNSPECIFIED;
  return !boot.pxeControl || boot.bootFile === '';
}

function explainNoOffer(run: ClientRun, persona: Persona, transaction: Transaction, tries: number): Error {
  const device = run.deps.port.device;
  const { replies, malformed } = transaction;
  const asked = `after ${tries} tries`;
  if (malformed.length > 0 && replies.length === 0) {
    return failStep(
      `only malformed replies ${asked}: ${malformed[0]}`,
      'capture them with tcpdump -w and report them',
    );
  }
  if (replies.length === 0) {
    return failStep(
      `no offer ${asked}`,
      `see that the daemon runs (tinderbox serve), that network.interface is on the same network as ${device}, that ` +
        'the switch forwards broadcasts, and that no firewall drops UDP 67, 68 and 4011; in proxy mode another DHCP ' +
        'server must give the addresses',
    );
  }
  const heard = describeOffers(replies, 1);
  if (!replies.some(isAddressOffer)) {
    return failStep(
      `no offer of an address ${asked}, only ${heard}`,
      'proxy mode needs a DHCP server beside it on this network: start that one, or use dhcp.mode: server',
    );
  }
  return failStep(
    `no offer that ${persona === 'rom' ? run.machine.architecture.label : persona} can boot from ${asked}, only ${heard}`,
    'see that the daemon runs and has a boot file for this architecture: tinderbox check lists them',
  );
}

async function request(
  run: ClientRun,
  persona: Persona,
  transaction: Transaction,
  offer: Reply,
): Promise<Reply> {
  const asked = `REQUEST ${formatIpv4(offer.address)} of ${formatIpv4(offer.server)}`;
  return runStep(run, `${persona}-request`, asked, async () => {
    const before = transaction.replies.length;
    const answer = (): Reply | undefined =>
      transaction.replies.slice(before).find((reply) => reply.type === 'ack' || reply.type === 'nak');
    let secs = 0;
    for (const wait of run.options.timing.requestWaits) {
      const ask = {
        type: 'request',
        xid: transaction.xid,
        secs,
        requested: offer.address,
        server: offer.server,
      } as const;
      await transaction.broadcast(buildAsk(run.machine, persona, ask));
      await transaction.listen(wait, () => answer() !== undefined);
      const reply = answer();
      if (reply?.type === 'nak') {
        throw new TinderboxError('refused', `${formatIpv4(offer.server)} said NAK to its own offer`, {
          remedy: "see the daemon's events of this machine",
        });
      }
      if (reply !== undefined)
        return { value: reply, answered: describeReply(reply), bytes: lengthOf(reply) };
      if (run.options.signal.aborted) break;
      secs += Math.round(wait / 1000);
    }
    throw failStep(
      `no ACK from ${formatIpv4(offer.server)}`,
      'see the log of that DHCP server: it offered an address and did not give it',
    );
  });
}

async function askProxy(run: ClientRun, persona: 'rom' | 'ipxe', offer: Reply, lease: Reply): Promise<Reply> {
  const transaction = openTransaction(run);
  const server: Ipv4 = offer.bootServer === UNSPECIFIED ? offer.from : offer.bootServer;
  const from = persona === 'rom' ? 'pxe' : 'client';
  try {
    return await runStep(run, `${persona}-proxy`, `REQUEST to ${formatIpv4(server)}:4011`, async () => {
      const answer = (): Reply | undefined =>
        transaction.replies.find((reply) => reply.type === 'ack' && reply.bootFile !== '');
      for (const wait of run.options.timing.proxyWaits) {
        const base = { type: 'request', xid: transaction.xid, secs: 0, ciaddr: lease.address } as const;
        const ask = offer.bootItem === undefined ? base : { ...base, bootItem: offer.bootItem };
        await transaction.unicast(buildAsk(run.machine, persona, ask), server, from);
        await transaction.listen(wait, () => answer() !== undefined);
        const reply = answer();
        if (reply !== undefined)
          return { value: reply, answered: describeReply(reply), bytes: lengthOf(reply) };
        if (run.options.signal.aborted) break;
      }
      const heard = transaction.replies.map(describeReply).join('; ');
      throw failStep(
        heard === ''
          ? `no answer from ${formatIpv4(server)}:4011`
          : `no boot file from ${formatIpv4(server)}:4011, only ${heard}`,
        'see that the daemon runs, that this host has a route to it, and that no firewall drops UDP 4011',
      );
    });
  } finally {
    transaction.close();
  }
}
