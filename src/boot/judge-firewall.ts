import { type Finding, ok, warning } from './finding.ts';

/** What must come in on a provisioning interface. */
export interface WantedPort {
  readonly protocol: 'udp' | 'tcp';
  readonly port: number;
  /** `DHCP`. */
  readonly what: string;
}

type Node = Readonly<Record<string, unknown>>;
type Verdict = 'accept' | 'drop' | 'none';

interface Packet extends WantedPort {
  readonly interface: string;
}

/** Tables that no packet of a machine goes through: all that is served is IPv4. */
const NOT_IPV4 = ['ip6', 'arp'];
/** Jumps that deep are nobody's rules. */
const DEEPEST = 16;

/**
 * Whether the rules of nftables (`nft --json list ruleset`) seem to drop what machines ask on this interface. A hint:
 * conditions other than interface, protocol and port count as not met. `ruleset`: as parsed, and believed in nothing.
 */
export function judgeNftables(
  ruleset: unknown,
  name: string,
  wanted: readonly WantedPort[],
): readonly Finding[] {
  const items = listOf(nodeOf(ruleset)['nftables']).map(nodeOf);
  const chains = items.flatMap((item) => ('chain' in item ? [nodeOf(item['chain'])] : []));
  const rules = items.flatMap((item) => ('rule' in item ? [nodeOf(item['rule'])] : []));
  const inputs = chains.filter(
    ({ family, hook, type }) => hook === 'input' && type === 'filter' && !NOT_IPV4.includes(String(family)),
  );
  const closed = wanted.filter((port) =>
    inputs.some((chain) => {
      const verdict = walk(chain, { ...port, interface: name }, rules, 0);
      return verdict === 'drop' || (verdict === 'none' && chain['policy'] === 'drop');
    }),
  );
  if (closed.length === 0)
    return [ok(`nftables lets in what machines ask on ${name}, as far as can be seen`)];
  const ports = closed.map(({ protocol, port, what }) => `${protocol} ${port} (${what})`).join(', ');
  const numbers = (protocol: string) =>
    closed.filter((one) => one.protocol === protocol).map(({ port }) => port);
  const rule = (['udp', 'tcp'] as const)
    .filter((protocol) => numbers(protocol).length > 0)
    .map((protocol) => `iifname "${name}" ${protocol} dport { ${numbers(protocol).join(', ')} } accept`)
    .join('; ');
  return [
    warning(
      `nftables seems to drop on ${name}: ${ports}`,
      `Let it in, in the chain of the hook input: ${rule}. TFTP also needs the answers' ports: let udp from the provisioning network in.`,
    ),
  ];
}

/** What the rules of one chain say of a packet. `return`, and the end of a chain, are none. */
function walk(chain: Node, packet: Packet, rules: readonly Node[], depth: number): Verdict {
  if (depth > DEEPEST) return 'none';
  const isOf = (rule: Node) =>
    rule['family'] === chain['family'] && rule['table'] === chain['table'] && rule['chain'] === chain['name'];
  for (const rule of rules.filter(isOf)) {
    const statements = listOf(rule['expr']).map(nodeOf);
    if (!statements.every((one) => allows(one, packet))) continue;
    for (const statement of statements.map((one) => verdictOf(one, packet))) {
      if ('accept' in statement) return 'accept';
      if ('drop' in statement || 'reject' in statement) return 'drop';
      if ('return' in statement) return 'none';
      const target = nodeOf(statement['jump'] ?? statement['goto'])['target'];
      if (target === undefined) continue;
      const verdict = walk({ ...chain, name: target }, packet, rules, depth + 1);
      if (verdict !== 'none' || 'goto' in statement) return verdict;
    }
  }
  return 'none';
}

/** Whether a statement lets a packet on to those after it, as far as it is a condition. */
function allows(statement: Node, packet: Packet): boolean {
  if ('match' in statement) return isMet(nodeOf(statement['match']), packet);
  // `limit rate over`: nobody is, who asks a few times.
  if ('limit' in statement) return nodeOf(statement['limit'])['inv'] !== true;
  if (!('xt' in statement)) return true;
  // Of a module of iptables nft tells the name at the most, not what it asks for.
  const { type, name } = nodeOf(statement['xt']);
  return type === 'target' || name === 'comment';
}

/** Of a verdict map that of this packet, or a statement that says nothing; any other statement is its own. */
function verdictOf(statement: Node, packet: Packet): Node {
  if (!('vmap' in statement)) return statement;
  const { key, data } = nodeOf(statement['vmap']);
  const value = valueOf(nodeOf(key), packet);
  if (value === undefined) return {};
  const found = listOf(nodeOf(data)['set']).find((one) => contains(listOf(one)[0], value));
  return nodeOf(listOf(found)[1]);
}

function isMet({ left, op, right }: Node, packet: Packet): boolean {
  const value = valueOf(nodeOf(left), packet);
  if (value === undefined) return false;
  const holds = contains(right, value);
  return op === '!=' ? !holds : holds;
}

/** What the left side of a match is of this packet; undefined: that is not known. */
function valueOf(left: Node, packet: Packet): string | number | undefined {
  const meta = nodeOf(left['meta'])['key'];
  if (meta === 'iifname' || meta === 'iif') return packet.interface;
  if (meta === 'l4proto') return packet.protocol;
  if (meta === 'nfproto') return 'ipv4';
  // A machine that boots begins.
  if (nodeOf(left['ct'])['key'] === 'state') return 'new';
  const { protocol, field } = nodeOf(left['payload']);
  if (protocol === 'ip' && field === 'protocol') return packet.protocol;
  if (field === 'dport' && (protocol === packet.protocol || protocol === 'th')) return packet.port;
  return undefined;
}

function contains(right: unknown, value: string | number): boolean {
  if (typeof right === 'string' && typeof value === 'string')
    return right.endsWith('*') ? value.startsWith(right.slice(0, -1)) : right === value;
  if (typeof right !== 'object' || right === null) return right === value;
  if (Array.isArray(right)) return right.some((each) => contains(each, value));
  const { set, range, prefix } = right as Node;
  if (set !== undefined) return contains(set, value);
  if (prefix !== undefined) return false;
  const [first, last] = listOf(range);
  return (
    typeof value === 'number' &&
    typeof first === 'number' &&
    typeof last === 'number' &&
    first <= value &&
    value <= last
  );
}

function nodeOf(value: unknown): Node {
  return typeof value === 'object' && value !== null ? (value as Node) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** `iptables-save`, where the old kernel interface is in use: a policy that drops, and no rule that names the port. */
export function judgeIptables(saved: string, wanted: readonly WantedPort[]): readonly Finding[] {
  const filter = /\*filter\n([^]*?)(?:\nCOMMIT|$)/.exec(saved)?.[1] ?? '';
  if (!/^:INPUT DROP/m.test(filter)) return [ok('the policy of iptables lets packets in')];
  const rules = filter.split('\n').filter((line) => /^-A .* -j ACCEPT/.test(line));
  const closed = wanted.filter(
    ({ protocol, port }) =>
      !rules.some((rule) => {
        const ports = /--dports? (\S+)/.exec(rule)?.[1]?.split(',');
        const fits = ports === undefined || ports.some((text) => isWithin(text, port));
        const other = /-p (\S+)/.exec(rule)?.[1];
        const isState = / --(ct)?state /.test(rule) && ports === undefined;
        return fits && (other === undefined || other === protocol) && !isState && !/ -i lo /.test(rule);
      }),
  );
  if (closed.length === 0) return [ok('iptables has rules for what machines ask')];
  const ports = closed.map(({ protocol, port, what }) => `${protocol} ${port} (${what})`).join(', ');
  return [
    warning(
      `the policy of iptables drops, and no rule seems to let in ${ports}`,
      'Look at: iptables -S INPUT',
    ),
  ];
}

function isWithin(text: string, port: number): boolean {
  const [first, last = first] = text.split(':').map(Number);
  return first !== undefined && last !== undefined && first <= port && port <= last;
}
