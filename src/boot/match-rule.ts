import type { MachineFacts } from '../machine/facts.ts';
import { formatIpv4, formatNetwork, networkContains } from '../machine/ipv4.ts';
import type { RuleMatch } from '../machine/role.ts';
import { formatLabels } from './read-labels.ts';

/** Facts that are known in DHCP already; what decides the first loader may depend on these only. */
export const DHCP_FACTS = [
  'mac',
  'uuid',
  'arch',
  'relay',
  'subnet',
] as const satisfies readonly (keyof RuleMatch)[];

/** Whole text, any case, `*` for any run of characters. Linear: no pattern can make it slow. */
export function matchesPattern(pattern: string, text: string): boolean {
  const parts = pattern.toLowerCase().split('*');
  const subject = text.toLowerCase();
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (parts.length === 1) return subject === first;
  if (subject.length < first.length + last.length) return false;
  if (!subject.startsWith(first) || !subject.endsWith(last)) return false;
  let from = first.length;
  const end = subject.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const found = subject.indexOf(part, from);
    if (found === -1 || found + part.length > end) return false;
    from = found + part.length;
  }
  return true;
}

/** Every condition that the rule states holds. An unknown fact matches no condition, not even `*`. */
export function ruleMatches(match: RuleMatch, facts: MachineFacts): boolean {
  return (Object.keys(match) as (keyof RuleMatch)[]).every((key) => conditionHolds(key, match, facts));
}

/** Why a rule does not match: the first of its conditions that does not hold. Undefined: it matches. */
export function explainMismatch(match: RuleMatch, facts: MachineFacts): string | undefined {
  const key = (Object.keys(match) as (keyof RuleMatch)[]).find((each) => !conditionHolds(each, match, facts));
  if (key === undefined) return undefined;
  const fact = factOf(key, facts);
  if (key === 'labels' && (fact ?? '') === '') return 'it told no labels when it asked last';
  if (key === 'labels') return `its labels are ${fact}`;
  if (fact !== undefined) return `its ${key === 'subnet' ? 'address' : key} is ${fact}`;
  if (key === 'relay') return 'it asks through no relay agent';
  const isEarly = (DHCP_FACTS as readonly string[]).includes(key);
  return `its ${key} is not known${isEarly ? ' yet' : ' before its iPXE has asked'}`;
}

function factOf(key: keyof RuleMatch, facts: MachineFacts): string | undefined {
  switch (key) {
    case 'relay':
      return facts.relay === undefined ? undefined : formatIpv4(facts.relay);
    case 'subnet':
      return facts.address === undefined ? undefined : formatIpv4(facts.address);
    case 'labels':
      return facts.labels === undefined ? undefined : formatLabels(facts.labels);
    default:
      return facts[key];
  }
}

function conditionHolds(key: keyof RuleMatch, match: RuleMatch, facts: MachineFacts): boolean {
  switch (key) {
    case 'arch':
      return match.arch === facts.arch;
    case 'relay':
      return match.relay === facts.relay;
    case 'subnet':
      return (
        match.subnet !== undefined &&
        facts.address !== undefined &&
        networkContains(match.subnet, facts.address)
      );
    case 'labels':
      return Object.entries(match.labels ?? {}).every(
        ([name, pattern]) =>
          facts.labels !== undefined &&
          Object.hasOwn(facts.labels, name) &&
          matchesPattern(pattern, facts.labels[name] ?? ''),
      );
    case 'mac':
    case 'uuid':
    case 'serial':
    case 'asset':
    case 'manufacturer':
    case 'product': {
      const fact = facts[key];
      return fact !== undefined && match[key] !== undefined && matchesPattern(match[key], fact);
    }
  }
}

/** `serial=7CX*, subnet=10.77.0.0/24`, for reasons. */
export function describeMatch(match: RuleMatch): string {
  const { labels = {}, ...rest } = match;
  const parts = Object.entries(rest).map(([key, value]) => {
    if (key === 'relay' && match.relay !== undefined) return `relay=${formatIpv4(match.relay)}`;
    if (key === 'subnet' && match.subnet !== undefined) return `subnet=${formatNetwork(match.subnet)}`;
    return `${key}=${value as string}`;
  });
  parts.push(...Object.entries(labels).map(([name, value]) => `labels.${name}=${value}`));
  return parts.length === 0 ? 'any machine' : parts.join(', ');
}
