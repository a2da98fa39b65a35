import type { MachineEntry } from '../machine/role.ts';

export type Admission = 'open' | 'approve' | 'listed';

export interface AdmissionDecision {
  readonly admitted: 'yes' | 'waits' | 'no';
  readonly reasons: readonly string[];
}

/** `open`: any machine; `approve`: one without an entry waits for the operator; `listed`: it is turned away. */
export function admitMachine(admission: Admission, entry: MachineEntry | undefined): AdmissionDecision {
  if (admission === 'open') return { admitted: 'yes', reasons: ['admission: open'] };
  if (entry !== undefined)
    return { admitted: 'yes', reasons: [`admission: ${admission}, and machines.yaml lists it`] };
  return {
    admitted: admission === 'approve' ? 'waits' : 'no',
    reasons: [`admission: ${admission}, and machines.yaml does not list it`],
  };
}
