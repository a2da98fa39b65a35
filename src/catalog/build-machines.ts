import { nearestWord } from '../document/nearest-word.ts';
import type { DocumentReading } from '../document/read-document.ts';
import type { Problem } from '../errors.ts';
import { formatIpv4, type Ipv4, parseIpv4, parseNetwork } from '../machine/ipv4.ts';
import { type Mac, parseMac } from '../machine/mac.ts';
import type { Catalog, MachineEntry, Parameters, Rule, RuleMatch } from '../machine/role.ts';
import { buildPower } from './build-power.ts';
import { findShadowedRules } from './find-shadowed-rules.ts';
import { normaliseMacPattern } from './normalise-mac-pattern.ts';
import type { RawMachine, RawMachines, RawMatch } from './schema.ts';

export type MachinesPart = Pick<Catalog, 'machines' | 'hostnames' | 'rules' | 'defaultRole'>;
type Path = readonly (string | number)[];

/**
 * machines.yaml, checked: every MAC in its one spelling, no machine, host name or address twice, every role known.
 * `roleNames` are the folders, broken ones too, so that one broken role is not also a hundred unknown ones. Pure.
 */
export function buildMachines(
  file: string,
  reading: DocumentReading<RawMachines>,
  roleNames: readonly string[],
): { part: MachinesPart; problems: readonly Problem[] } {
  const raw = reading.value ?? {};
  const problems: Problem[] = [];
  const report = (severity: Problem['severity'], path: Path, message: string, useKey = false): void => {
    const place = useKey ? reading.locateKey(path) : reading.locate(path);
    problems.push({ severity, message, file, ...place });
  };
  const checkRoleName = (name: string, path: Path): void => {
    if (roleNames.includes(name)) return;
    const nearest = nearestWord(name, roleNames);
    const meant = nearest === undefined ? ';' : `; did you mean "${nearest}"?`;
    const known = roleNames.length === 0 ? 'there are none yet' : `roles: ${roleNames.join(', ')}`;
    report('error', path, `there is no role "${name}"${meant} ${known}`);
  };

  const linesOf = (path: Path): { parameterLines?: Readonly<Record<string, number>> } => {
    const given = (path[0] === 'rules' ? raw.rules?.[Number(path[1])] : raw.machines?.[String(path[1])])
      ?.parameters;
    if (given === undefined) return {};
    const lineOf = (name: string): number => reading.locateKey([...path, 'parameters', name]).line;
    return { parameterLines: Object.fromEntries(Object.keys(given).map((name) => [name, lineOf(name)])) };
  };

  const machines = new Map<Mac, MachineEntry>();
  const spelled = new Map<Mac, string>();
  const hostnames = new Map<string, MachineEntry>();
  const addresses = new Map<Ipv4, MachineEntry>();
  for (const [key, value] of Object.entries(raw.machines ?? {})) {
    const path = ['machines', key];
    const mac = parseMac(key);
    if (mac === undefined) {
      report('error', path, `"${key}" is no MAC`, true);
      continue;
    }
    const earlier = machines.get(mac);
    if (earlier !== undefined) {
      const spelling = spelled.get(mac) === key ? '' : ` as ${spelled.get(mac)}`;
      report(
        'error',
        path,
        `the machine ${key} is there twice; first on line ${earlier.line}${spelling}`,
        true,
      );
      continue;
    }
    const power =
      value?.power === undefined
        ? undefined
        : buildPower(value.power, (name, message) => {
            const where = [...path, 'power', ...(name === undefined ? [] : [name])];
            report('error', where, message, true);
          });
    const entry = {
      ...buildEntry(mac, value ?? {}, reading.locateKey(path).line),
      ...linesOf(path),
      ...(power === undefined ? {} : { power }),
    };
    machines.set(mac, entry);
    spelled.set(mac, key);
    if (entry.role !== undefined) checkRoleName(entry.role, [...path, 'role']);
    if (entry.once !== undefined) checkRoleName(entry.once, [...path, 'once']);
    if (entry.hostname !== undefined) {
      const other = hostnames.get(entry.hostname);
      if (other === undefined) hostnames.set(entry.hostname, entry);
      else
        report(
          'error',
          [...path, 'hostname'],
          `the host name ${entry.hostname} is given twice: ${both(entry, other)}`,
        );
    }
    if (entry.address !== undefined) {
      const why = unusable(entry.address);
      if (why !== undefined) report('error', [...path, 'address'], `${formatIpv4(entry.address)} is ${why}`);
      const other = addresses.get(entry.address);
      const text = formatIpv4(entry.address);
      if (other === undefined) addresses.set(entry.address, entry);
      else report('error', [...path, 'address'], `the address ${text} is given twice: ${both(entry, other)}`);
    }
  }

  const rules = (raw.rules ?? []).map((rule, index): Rule => {
    const path = ['rules', index];
    checkRoleName(rule.role, [...path, 'role']);
    return {
      match: buildMatch(rule.match, [...path, 'match'], (where, message) => report('error', where, message)),
      role: rule.role,
      parameters: (rule.parameters ?? {}) as Parameters,
      ...linesOf(path),
      ...(rule.max === undefined ? {} : { max: rule.max }),
      line: reading.locate(path).line,
    };
  });
  for (const { rule, by } of findShadowedRules(rules)) {
    const message = `this rule never matches: the rule on line ${by.line} takes all of its machines first`;
    report('warning', ['rules', rules.indexOf(rule)], message);
  }

  const defaultRole = raw.default === undefined || raw.default === 'none' ? null : raw.default;
  if (defaultRole !== null) checkRoleName(defaultRole, ['default']);
  const names = new Map([...hostnames].map(([hostname, { mac }]) => [hostname, mac]));
  return { part: { machines, hostnames: names, rules, defaultRole }, problems };
}

function buildEntry(mac: Mac, raw: RawMachine, line: number): MachineEntry {
  const address = raw.address === undefined ? undefined : parseIpv4(raw.address);
  return {
    mac,
    ...(raw.role === undefined ? {} : { role: raw.role }),
    ...(raw.once === undefined ? {} : { once: raw.once }),
    // Kubernetes names nodes in lower case; DNS does not care.
    ...(raw.hostname === undefined ? {} : { hostname: raw.hostname.toLowerCase() }),
    ...(address === undefined ? {} : { address }),
    parameters: (raw.parameters ?? {}) as Parameters,
    line,
  };
}

function both(one: MachineEntry, other: MachineEntry): string {
  return `${other.mac} (line ${other.line}) and ${one.mac} (line ${one.line})`;
}

function unusable(address: Ipv4): string | undefined {
  const first = address >>> 24;
  if (first === 0 || first === 127 || first >= 240) return 'no address that a machine can have';
  return first >= 224 ? 'a multicast address' : undefined;
}

function buildMatch(
  raw: RawMatch,
  path: Path,
  reportError: (path: Path, message: string) => void,
): RuleMatch {
  const { mac, relay, subnet, ...texts } = raw;
  const pattern = mac === undefined ? undefined : normaliseMacPattern(mac);
  if (mac !== undefined && pattern === undefined) {
    reportError(
      [...path, 'mac'],
      `"${mac}" is neither a MAC such as 52:54:00:12:34:56 nor a pattern such as 52:54:00:*`,
    );
  }
  const relayAddress = relay === undefined ? undefined : parseIpv4(relay);
  const network = subnet === undefined ? undefined : parseNetwork(subnet);
  if (subnet !== undefined && network === undefined) {
    reportError([...path, 'subnet'], `${subnet} is an address within a network, not a network`);
  }
  return {
    ...(texts as RuleMatch),
    ...(pattern === undefined ? {} : { mac: pattern }),
    ...(texts.uuid === undefined ? {} : { uuid: texts.uuid.toLowerCase() }),
    ...(relayAddress === undefined ? {} : { relay: relayAddress }),
    ...(network === undefined ? {} : { subnet: network }),
  };
}
