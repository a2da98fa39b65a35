import { type Ipv4, parseIpv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';

/** What a Node says of the machine that it is. */
export interface NodeIdentity {
  readonly name: string;
  /** `status.nodeInfo.systemUUID`, as the kubelet read it from SMBIOS. */
  readonly systemUuid?: string;
}

export interface MatchCandidate {
  readonly mac: Mac;
  /** Lower case, hyphens, as in MachineFacts. */
  readonly uuid?: string;
  /** The one that its boot session was given. */
  readonly hostname?: string;
  readonly addresses: readonly Ipv4[];
}

export interface MachineIndex {
  readonly byUuid: ReadonlyMap<string, readonly Mac[]>;
  readonly byHostname: ReadonlyMap<string, readonly Mac[]>;
  /** The candidates that have, or had, the address. */
  readonly ownersOf: (address: Ipv4) => readonly Mac[];
}

export interface NodeMatch {
  readonly mac?: Mac;
  /** The machines that it might be, where that is not clear; else empty. */
  readonly contenders: readonly Mac[];
  /** Those of them whose name it has. The others it only claims to be, as any Node may say of itself. */
  readonly namesakes: readonly Mac[];
  readonly reasons: readonly string[];
}

const NOBODY: readonly Mac[] = [];

/** What boards have where nobody wrote a UUID: it says nothing of which machine it is. */
const DEFAULT_UUIDS: ReadonlySet<string> = new Set(
  [
    // AMI's and Phoenix's samples, and the one of countless cheap boards.
    '03000200-0400-0500-0006-000700080009',
    '12345678-1234-5678-90ab-cddeefaabbcc',
    '12345678-1234-1234-1234-123456789abc',
    '01234567-89ab-cdef-0123-456789abcdef',
    '00112233-4455-6677-8899-aabbccddeeff',
    '11111111-2222-3333-4444-555555555555',
  ].flatMap((uuid) => [uuid, swapUuid(uuid)]),
);

/**
 * `lastUser` tells which machine used an address last: it alone has it then, since addresses wander from machine to
 * machine. To be made anew when machines have changed; 20,000 take some milliseconds.
 */
export function indexMachines(
  candidates: Iterable<MatchCandidate>,
  lastUser: (address: Ipv4) => Mac | undefined = () => undefined,
): MachineIndex {
  const macs = new Set<Mac>();
  const byUuid = new Map<string, Mac[]>();
  const byHostname = new Map<string, Mac[]>();
  const byAddress = new Map<Ipv4, Mac[]>();
  for (const { mac, uuid, hostname, addresses } of candidates) {
    macs.add(mac);
    if (uuid !== undefined && isTelling(uuid)) add(byUuid, uuid, mac);
    if (hostname !== undefined) add(byHostname, hostname.toLowerCase(), mac);
    for (const address of new Set(addresses)) add(byAddress, address, mac);
  }
  return {
    byUuid,
    byHostname,
    ownersOf(address) {
      const last = lastUser(address);
      return last !== undefined && macs.has(last) ? [last] : (byAddress.get(address) ?? NOBODY);
    },
  };
}

/**
 * Which machine a Node is: by its system UUID, else by its name, which is the machine's hostname or (the CoreOS roles'
 * kubelets are named so) its address. A name is certified and a UUID only claimed, so a Node whose name is another
 * machine's is nobody's.
 */
export function matchNode(node: NodeIdentity, index: MachineIndex): NodeMatch {
  const uuid = node.systemUuid?.toLowerCase();
  const direct = uuid !== undefined && isTelling(uuid) ? (index.byUuid.get(uuid) ?? NOBODY) : NOBODY;
  const swapped =
    uuid !== undefined && isTelling(uuid) ? (index.byUuid.get(swapUuid(uuid)) ?? NOBODY) : NOBODY;
  const byUuid = [...new Set([...direct, ...swapped])];
  const named = findNamed(node.name, index);
  const [only] = byUuid;

  if (only !== undefined && byUuid.length === 1) {
    if (named.macs.length > 0 && !named.macs.includes(only)) {
      return unclear(
        [only, ...named.macs],
        named.macs,
        `Node ${node.name} has the system UUID of ${only}, but ${named.how} of ${named.macs.join(', ')}`,
      );
    }
    const how = direct.includes(only)
      ? `Node ${node.name} has this machine's system UUID`
      : `Node ${node.name} has this machine's system UUID, its first three fields byte-swapped as some firmware prints them`;
    return { mac: only, contenders: NOBODY, namesakes: NOBODY, reasons: [how] };
  }
  if (byUuid.length > 1) {
    const [both, ...more] = named.macs.filter((mac) => byUuid.includes(mac));
    if (both !== undefined && more.length === 0) {
      const how = `Node ${node.name} has ${named.how} of this machine, whose system UUID ${byUuid.length - 1} other(s) have too`;
      return { mac: both, contenders: NOBODY, namesakes: NOBODY, reasons: [how] };
    }
    return unclear(
      byUuid,
      named.macs,
      `Node ${node.name} has a system UUID that several machines have: ${byUuid.join(', ')}`,
    );
  }
  const [namesake] = named.macs;
  if (namesake === undefined) {
    return {
      contenders: NOBODY,
      namesakes: NOBODY,
      reasons: [`Node ${node.name} is none of the machines that join the cluster`],
    };
  }
  if (named.macs.length > 1) {
    return unclear(
      named.macs,
      named.macs,
      `Node ${node.name} has ${named.how} of several machines: ${named.macs.join(', ')}`,
    );
  }
  return {
    mac: namesake,
    contenders: NOBODY,
    namesakes: NOBODY,
    reasons: [`Node ${node.name} has ${named.how} of this machine`],
  };
}

function findNamed(
  name: string,
  index: MachineIndex,
): { readonly macs: readonly Mac[]; readonly how: string } {
  const byHostname = index.byHostname.get(name.toLowerCase());
  if (byHostname !== undefined) return { macs: byHostname, how: 'the hostname' };
  const address = parseIpv4(name);
  return { macs: address === undefined ? NOBODY : index.ownersOf(address), how: 'the address' };
}

function unclear(contenders: readonly Mac[], namesakes: readonly Mac[], reason: string): NodeMatch {
  return { contenders: [...new Set(contenders)], namesakes, reasons: [`${reason}: not laid to any`] };
}

/** Not empty, not one byte repeated (zeros, 0xff), not a sample that firmware ships with. */
function isTelling(uuid: string): boolean {
  const digits = uuid.replaceAll('-', '');
  if (!/^[0-9a-f]{32}$/.test(digits)) return false;
  return !/^(..)\1*$/.test(digits) && !DEFAULT_UUIDS.has(uuid);
}

/** Whether a Node says, by its system UUID, that it is another machine; false where one of the UUIDs says nothing. */
export function isOtherHardware(nodeUuid: string | undefined, machineUuid: string | undefined): boolean {
  const [node, machine] = [nodeUuid?.toLowerCase(), machineUuid];
  if (node === undefined || machine === undefined || !isTelling(node) || !isTelling(machine)) return false;
  return node !== machine && node !== swapUuid(machine);
}

/** SMBIOS before 2.6 did not say in which byte order the first three fields are, so that firmware differs. */
function swapUuid(uuid: string): string {
  const [first = '', second = '', third = '', ...rest] = uuid.split('-');
  return [swapBytes(first), swapBytes(second), swapBytes(third), ...rest].join('-');
}

function swapBytes(digits: string): string {
  return (digits.match(/../g) ?? []).toReversed().join('');
}

function add<Key>(map: Map<Key, Mac[]>, key: Key, mac: Mac): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [mac]);
  else if (!known.includes(mac)) known.push(mac);
}
