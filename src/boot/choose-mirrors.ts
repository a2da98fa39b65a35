import type { MachineFacts } from '../machine/facts.ts';
import { formatIpv4, formatNetwork, type Ipv4, type Ipv4Network, networkContains } from '../machine/ipv4.ts';

/** A server that has the files of /assets, for machines of one place. */
export interface AssetMirror {
  /** What stands before `/assets/…`; no trailing slash. */
  readonly url: string;
  /** The relay agent that its machines ask through. */
  readonly relay?: Ipv4;
  /** Holds the addresses of its machines; with `relay` both must be true. */
  readonly subnet?: Ipv4Network;
}

/** Why a mirror is not to be used now; undefined: it is. */
export type MirrorTrouble = (mirror: AssetMirror) => string | undefined;

export interface ChosenMirrors {
  /** In the order in which they are tried; then comes the server itself. */
  readonly urls: readonly string[];
  /** Empty where there is no mirror for the machine's place. */
  readonly reasons: readonly string[];
}

/** A script tries so many, one after the other: each that is dead costs iPXE's time-out. */
const MOST_TRIED = 3;

/** Where a machine is to fetch kernel and initrd from. Mirrors of one place share its machines by their MACs. */
export function chooseMirrors(
  mirrors: readonly AssetMirror[],
  facts: Pick<MachineFacts, 'mac' | 'relay' | 'address'>,
  troubleOf: MirrorTrouble = () => undefined,
): ChosenMirrors {
  const near = mirrorsNear(mirrors, facts);
  if (near.length === 0) return { urls: [], reasons: [] };
  const first = shareOf(facts.mac, near.length);
  const inTurn = [...near.slice(first), ...near.slice(0, first)];
  const judged = inTurn.map((mirror) => ({ mirror, trouble: troubleOf(mirror) }));
  const usable = judged.filter(({ trouble }) => trouble === undefined).slice(0, MOST_TRIED);
  const leftOut = judged.flatMap(({ mirror, trouble }) =>
    trouble === undefined ? [] : [`the mirror ${mirror.url} is left out: ${trouble}`],
  );
  const [chosen] = usable;
  if (chosen === undefined) return { urls: [], reasons: [...leftOut, FROM_HERE] };
  const others = usable.slice(1).map(({ mirror }) => mirror.url);
  return {
    urls: usable.map(({ mirror }) => mirror.url),
    reasons: [
      `its kernel and initrd come from the mirror ${chosen.mirror.url} (${describePlace(chosen.mirror)}), whose downloads are not seen here; if that fails, from ${[...others, 'here'].join(', then ')}`,
      ...leftOut,
    ],
  };
}

const FROM_HERE = 'no mirror of its place can be used: its kernel and initrd come from here';
/** As chooseMirrors says it: what a diagnosis goes by. */
export const COMES_FROM_MIRROR = /come from the mirror (\S+) \(/;

/** Those for this machine's place, in the order of the file. */
export function mirrorsNear<Mirror extends AssetMirror>(
  mirrors: readonly Mirror[],
  { relay, address }: Pick<MachineFacts, 'relay' | 'address'>,
): readonly Mirror[] {
  return mirrors.filter(
    (mirror) =>
      (mirror.relay === undefined || mirror.relay === relay) &&
      (mirror.subnet === undefined || (address !== undefined && networkContains(mirror.subnet, address))),
  );
}

export function describePlace({ relay, subnet }: AssetMirror): string {
  return [
    ...(relay === undefined ? [] : [`relay ${formatIpv4(relay)}`]),
    ...(subnet === undefined ? [] : [`subnet ${formatNetwork(subnet)}`]),
  ].join(', ');
}

/** The same at each boot. Machines of one purchase have MACs that count up: the last digits decide. */
function shareOf(mac: string, count: number): number {
  return Number.parseInt(mac.replaceAll(':', '').slice(-6), 16) % count;
}
