import { createHash } from 'node:crypto';
import type { Parameters, ParameterValue, Role } from '../machine/role.ts';
import type { BootSession, NodeRegistration } from '../machine/session.ts';

/** Enough to tell two sets of labels and taints from each other; a session need not keep them all. In hex digits. */
const FINGERPRINT_LENGTH = 16;

/**
 * What the machine's kubelet registers its Node with. A member of etcd has none and never will; undefined for a role
 * without an identity, since a machine that boots `rescue` or its own disk comes back as what it was.
 */
export function registrationOf(
  role: Pick<Role, 'name' | 'identity'>,
  parameters: Parameters,
  nodeName: string | undefined,
): NodeRegistration | undefined {
  switch (role.identity) {
    case 'none':
      return undefined;
    case 'etcd':
      return { role: role.name, marks: '' };
    case 'worker':
    case 'controller': {
      return {
        role: role.name,
        ...(nodeName === undefined ? {} : { nodeName }),
        marks: marksOf(parameters),
      };
    }
  }
}

/** Machines without parameters of their own share those of their role. */
const known = new WeakMap<Parameters, string>();

function marksOf(parameters: Parameters): string {
  const before = known.get(parameters);
  if (before !== undefined) return before;
  const { labels = null, taints = null } = parameters;
  const digest = createHash('sha256')
    .update(JSON.stringify([inOrder(labels), inOrder(taints)]))
    .digest('hex');
  const marks = digest.slice(0, FINGERPRINT_LENGTH);
  known.set(parameters, marks);
  return marks;
}

/**
 * Why the Node that an earlier boot of the machine registered has to go, if it has to: a kubelet applies neither
 * `--node-labels` nor taints to a Node that exists, and one of another name is an orphan.
 */
export function whyNodeIsReplaced(
  session: Pick<BootSession, 'registration' | 'formerRegistration'>,
): string | undefined {
  const { registration: now, formerRegistration: former } = session;
  if (now === undefined || former?.nodeName === undefined) return undefined;
  if (now.role !== former.role) return `the machine was ${former.role} and is ${now.role} now`;
  if (now.nodeName !== former.nodeName && now.nodeName !== undefined) {
    return `the machine's Node was called ${former.nodeName} and is called ${now.nodeName} now`;
  }
  if (now.marks !== former.marks) return `the labels or taints of role ${now.role} are others now`;
  return undefined;
}

/** The keys of a map say the same in any order; a list is as it is. */
function inOrder(value: ParameterValue): ParameterValue {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one: ParameterValue) => inOrder(one));
  const pairs = Object.entries(value).map(([key, one]) => [key, inOrder(one)] as const);
  return Object.fromEntries(pairs.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
