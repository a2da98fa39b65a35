import type { ParameterValue } from '../machine/role.ts';
import { matchOf, type Selected } from './convert-matchbox-group.ts';
import { convertProfile, type NewRole } from './convert-matchbox-profile.ts';
import type { MatchboxGroup, MatchboxSource, Note } from './matchbox-files.ts';

type Values = Readonly<Record<string, ParameterValue>>;

/** A rule of machines.yaml, as it is written there. */
export interface NewRule {
  readonly match: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly role: string;
  readonly parameters: Values;
}

export interface NewMachine {
  readonly mac: string;
  readonly role: string;
  readonly parameters: Values;
}

export interface MatchboxPlan {
  readonly roles: readonly NewRole[];
  readonly machines: readonly NewMachine[];
  /** In the order in which matchbox would ask them: the most selectors first. */
  readonly rules: readonly NewRule[];
  /** Of the group without selectors and metadata. */
  readonly defaultRole?: string;
  /** What could not be converted, each with what to do. */
  readonly notes: readonly Note[];
}

/** matchbox's groups, profiles and templates, as roles and what gives them to machines. Pure. */
export function convertMatchbox(source: MatchboxSource): MatchboxPlan {
  const notes: Note[] = [...source.notes];
  const roles = new Map<string, NewRole>();
  for (const profile of source.profiles) {
    const groups = source.groups.filter((group) => group.profile === profile.id);
    const converted = convertProfile(source, profile, groups);
    notes.push(...converted.notes);
    const taken = roles.get(converted.role.name);
    if (taken === undefined) roles.set(converted.role.name, converted.role);
    else
      notes.push({
        file: profile.file,
        message: `two profiles would be the role ${converted.role.name}`,
        todo: 'Rename one of them.',
      });
  }
  const selected = source.groups.flatMap((group): Selected[] => {
    const profile = source.profiles.find(({ id }) => id === group.profile);
    if (profile !== undefined) return [{ group, role: profile.role, ...matchOf(group, notes) }];
    notes.push({
      file: group.file,
      message: `there is no profile ${group.profile}`,
      todo: 'Write a rule for it by hand.',
    });
    return [];
  });
  return { roles: [...roles.values()], ...distribute(selected, notes), notes };
}

function distribute(
  selected: readonly Selected[],
  notes: Note[],
): Pick<MatchboxPlan, 'machines' | 'rules' | 'defaultRole'> {
  const machines: NewMachine[] = [];
  const rules: NewRule[] = [];
  let defaultRole: string | undefined;
  // As matchbox sorts them; of as many selectors the name decides.
  const ordered = selected.toSorted(
    (a, b) => b.selectors - a.selectors || (a.group.file < b.group.file ? -1 : 1),
  );
  for (const { group, role, match, mac, selectors } of ordered) {
    if (match === undefined) continue;
    const parameters = group.metadata;
    const others = ordered.filter((other) => other.group !== group && other.mac === mac);
    if (mac !== undefined && selectors === 1 && others.length === 0) {
      machines.push({ mac, role, parameters });
    } else if (selectors > 0 || Object.keys(parameters).length > 0) {
      // An entry would beat the rules that ask for more than the MAC.
      rules.push({ match, role, parameters });
    } else if (defaultRole === undefined) {
      defaultRole = role;
    } else {
      notes.push({
        file: group.file,
        message: 'a second group without selectors',
        todo: 'Only the first one counts: delete it, or give it selectors.',
      });
    }
  }
  return { machines, rules, ...(defaultRole === undefined ? {} : { defaultRole }) };
}

export type { MatchboxGroup };
