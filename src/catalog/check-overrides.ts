import { checkParameters, type ParameterFlaw } from '../boot/check-parameters.ts';
import { matchesPattern } from '../boot/match-rule.ts';
import type { DocumentReading } from '../document/read-document.ts';
import type { Problem } from '../errors.ts';
import { parseMac } from '../machine/mac.ts';
import type { MachineEntry, Role } from '../machine/role.ts';
import type { MachinesPart } from './build-machines.ts';
import { withChoices } from './check-menus.ts';
import type { RawMachines } from './schema.ts';

/** Of each severity; beyond these the file was made by a broken program. */
const MAX_PROBLEMS = 100;

const KEPT = 'Nothing heeds it; it is kept for when the machine has another role.';

/**
 * Parameters of rules and machines, held to the roles that get them. A machine without a role of its own may get those of
 * the rules that can match it, and the default. What each of these refuses, or one of them would misread, is an error. A
 * name that none of them heeds but another role does is a warning: `tinderbox assign MAC rescue` leaves in place what the
 * machine needs when it is a worker again.
 */
export function checkOverrides(
  file: string,
  reading: DocumentReading<RawMachines>,
  part: MachinesPart,
  roles: ReadonlyMap<string, Role>,
): readonly Problem[] {
  const problems: Problem[] = [];
  const known = new Set([...roles.values()].flatMap(({ parameters }) => Object.keys(parameters)));
  const say = (
    severity: Problem['severity'],
    above: readonly (string | number)[],
    flaw: ParameterFlaw,
  ): void => {
    const path = [...above, 'parameters', ...flaw.path];
    const place = flaw.key ? reading.locateKey(path) : reading.locate(path);
    const alike = problems.filter((problem) => problem.severity === severity);
    const said = alike.some(
      ({ line, column, message }) =>
        line === place.line && column === place.column && message === flaw.message,
    );
    // Counted apart: no number of warnings may hide an error.
    if (said || alike.length >= MAX_PROBLEMS) return;
    const remedy = severity === 'warning' ? { remedy: KEPT } : {};
    problems.push({ severity, message: flaw.message, file, ...place, ...remedy });
  };

  for (const [index, { role: name, parameters }] of part.rules.entries()) {
    const found = withChoices(name, roles).flatMap((each) => {
      const role = roles.get(each);
      return role === undefined ? [] : [checkParameters(role, parameters)];
    });
    for (const flaw of found.flat()) if (isMeant(flaw, found)) say('error', ['rules', index], flaw);
  }
  for (const key of Object.keys(reading.value?.machines ?? {})) {
    const mac = parseMac(key);
    const entry = mac === undefined ? undefined : part.machines.get(mac);
    if (entry === undefined || Object.keys(entry.parameters).length === 0) continue;
    const possible = possibleRoles(entry, part).flatMap((name) => withChoices(name, roles));
    const found = possible.flatMap((name) => {
      const role = roles.get(name);
      return role === undefined ? [] : [checkParameters(role, entry.parameters)];
    });
    for (const flaw of found.flat()) {
      if (!isMeant(flaw, found)) continue;
      const heeded = flaw.kind === 'unknown' && flaw.path.length === 1 && known.has(String(flaw.path[0]));
      say(heeded ? 'warning' : 'error', ['machines', key], flaw);
    }
  }
  return problems;
}

/** Of the flaws of each role that a machine may have: what one of its roles heeds is meant for that one. */
function isMeant(flaw: ParameterFlaw, found: readonly (readonly ParameterFlaw[])[]): boolean {
  if (flaw.kind !== 'unknown') return true;
  return found.every((flaws) =>
    flaws.some(({ kind, path }) => kind === 'unknown' && path.join() === flaw.path.join()),
  );
}

/** Only a MAC can be judged here; whatever else a rule asks may be so. */
function possibleRoles(
  { mac, role, once }: MachineEntry,
  { rules, defaultRole }: MachinesPart,
): readonly string[] {
  const names = new Set(once === undefined ? [] : [once]);
  if (role !== undefined) return [...names, role];
  for (const { match, role: name } of rules) {
    if (match.mac !== undefined && !matchesPattern(match.mac, mac)) continue;
    names.add(name);
    if (Object.keys(match).every((key) => key === 'mac')) return [...names];
  }
  return defaultRole === null ? [...names] : [...names, defaultRole];
}
