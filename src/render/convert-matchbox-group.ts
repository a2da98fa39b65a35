import { isLabelValue, LABEL_NAME } from '../boot/read-labels.ts';
import { MACHINE_ARCHES } from '../machine/architecture.ts';
import { parseMac } from '../machine/mac.ts';
import type { NewRule } from './convert-matchbox.ts';
import type { MatchboxGroup, Note } from './matchbox-files.ts';

export interface Selected {
  readonly group: MatchboxGroup;
  readonly role: string;
  /** Absent: what it selects cannot be said. */
  readonly match?: NewRule['match'];
  readonly mac?: string;
  readonly selectors: number;
}

/** What `/ipxe` knows of a machine by these names already. */
const FACTS: readonly string[] = ['uuid', 'serial', 'asset', 'manufacturer', 'product'];

/** The selectors of a group as a rule's `match`. What has no counterpart keeps the whole group out: a rule that asks for less takes others' machines. */
export function matchOf(group: MatchboxGroup, notes: Note[]): Omit<Selected, 'group' | 'role'> {
  const { file, selector, lineOf } = group;
  const match: Record<string, string> = {};
  const labels: Record<string, string> = {};
  const selectors = Object.keys(selector).length;
  const refuse = (name: string, message: string) => {
    notes.push({
      file,
      line: lineOf(['selector', name]),
      message,
      todo: 'The group is left out: write a rule for it by hand.',
    });
    return { selectors };
  };
  for (const [name, value] of Object.entries(selector)) {
    if (value.includes('*'))
      return refuse(name, `the selector ${name} has a *, which a rule takes for anything`);
    if (name === 'mac') {
      const mac = parseMac(value);
      if (mac === undefined) return refuse(name, `"${value}" is no MAC`);
      match['mac'] = mac;
    } else if (name === 'arch' || name === 'buildarch') {
      const arch = MACHINE_ARCHES.find((known) => known === (value === 'i386' ? 'x86' : value));
      if (arch === undefined) return refuse(name, `"${value}" is no architecture`);
      match['arch'] = arch;
    } else if (FACTS.includes(name)) {
      match[name] = value;
    } else if (name === 'platform' || name === 'choice') {
      return refuse(name, `rules cannot match ${name}`);
    } else if (LABEL_NAME.test(name) && isLabelValue(value)) {
      labels[name] = value;
    } else {
      return refuse(name, `${JSON.stringify(`${name}=${value}`)} cannot be a label`);
    }
  }
  const whole = Object.keys(labels).length === 0 ? match : { ...match, labels };
  return { selectors, match: whole, ...(match['mac'] === undefined ? {} : { mac: match['mac'] }) };
}
