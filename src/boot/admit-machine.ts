import type { Mac } from '../machine/mac.ts';
import type { MachineEntry, Rule } from '../machine/role.ts';
import { ruleKey } from './rule-key.ts';

export type Admission = 'open' | 'approve' | 'listed';

/** Whom rules have admitted so far, by `ruleKey`. */
export interface AdmissionPlaces {
  /** The rule that has admitted this machine. */
  ruleOf(mac: Mac): string | undefined;
  /** How many machines a rule has admitted. */
  countOf(rule: string): number;
}

export const NO_PLACES: AdmissionPlaces = { ruleOf: () => undefined, countOf: () => 0 };

export interface AdmissionInput {
  readonly admission: Admission;
  readonly mac: Mac;
  readonly entry: MachineEntry | undefined;
  /** The rule that gives the machine its role. */
  readonly rule: Rule | undefined;
  readonly places: AdmissionPlaces;
}

export interface AdmissionDecision {
  readonly admitted: 'yes' | 'waits' | 'no';
  /** The rule that it is admitted by: it takes one of its places, or has it already. */
  readonly place?: string;
  readonly reasons: readonly string[];
}

/**
 * `open`: any machine; `approve`: one without an entry waits for the operator; `listed`: it is turned away. A rule
 * with `max` admits so many without an entry, whatever the mode; beyond it, a machine waits under `open` too. Who was
 * admitted once stays so, also when `max` is lowered.
 */
export function admitMachine(input: AdmissionInput): AdmissionDecision {
  const { admission, entry, rule } = input;
  const mode = `admission: ${admission}`;
  if (entry !== undefined) {
    const reason = admission === 'open' ? mode : `${mode}, and machines.yaml lists it`;
    return { admitted: 'yes', reasons: [reason] };
  }
  if (rule?.max !== undefined) return admitByRule(input, rule, rule.max);
  if (admission === 'open') return { admitted: 'yes', reasons: [mode] };
  return {
    admitted: admission === 'approve' ? 'waits' : 'no',
    reasons: [`${mode}, and machines.yaml does not list it`],
  };
}

function admitByRule({ admission, mac, places }: AdmissionInput, rule: Rule, max: number): AdmissionDecision {
  const place = ruleKey(rule);
  const count = places.countOf(place);
  const said = `admission: ${admission}, and the rule on line ${rule.line}`;
  if (places.ruleOf(mac) === place) {
    return { admitted: 'yes', place, reasons: [`${said} has admitted it already (${count} of ${max})`] };
  }
  if (count < max) {
    return { admitted: 'yes', place, reasons: [`${said} admits it (${count + 1} of ${max})`] };
  }
  return {
    admitted: admission === 'listed' ? 'no' : 'waits',
    reasons: [
      `${said} admits no more (${count} of ${max}): approve it, raise the rule's max, or forget one that is gone`,
    ],
  };
}
