import { TinderboxError } from '../../errors.ts';
import { type Mac, parseMac } from '../../machine/mac.ts';
import type { ApproveRequest, AssignRequest } from '../api.ts';
import type { ExplainView } from '../explain-api.ts';
import type { AdminServerOptions } from '../port.ts';
import { type Refusal, refusalOf } from './machine-extras.ts';

/** What stands in the form of a machine: what the operator typed, else what is in force. */
export interface MachineForm {
  readonly role: string;
  readonly when: string;
  /** Of its entry: what may be taken back. */
  readonly once: string | undefined;
  readonly hostname: string;
  readonly address: string;
  /** Of the entry that was read. */
  readonly revision: string;
  readonly roles: readonly { readonly name: string; readonly chosen: boolean }[];
  /** Its entry has one, which an edit may change but not take away. */
  readonly hasRole: boolean;
  /** What stands in machines.yaml now, where that is not what the form was filled from. */
  readonly conflict:
    | { readonly role: string; readonly hostname: string; readonly address: string }
    | undefined;
  readonly refusal: Refusal | undefined;
}

export type FormFields = Readonly<Record<'role' | 'when' | 'hostname' | 'address' | 'revision', string>>;

type Body = Readonly<Record<string, unknown>> | undefined | null;

/** A longer value is no name and no address, and must not fill a page. */
const MOST_CHARACTERS = 253;

export function readFields(body: unknown): FormFields {
  const text = (name: string): string => {
    const value = (body as Body)?.[name];
    return typeof value === 'string' ? value.trim().slice(0, MOST_CHARACTERS) : '';
  };
  return {
    role: text('role'),
    when: text('when'),
    hostname: text('hostname'),
    address: text('address'),
    revision: text('revision'),
  };
}

/** As it stands in machines.yaml. */
export function fieldsOf({ assignment }: Pick<ExplainView, 'assignment'>): FormFields {
  const { own = '', hostname, address, revision } = assignment;
  return {
    // What a rule or the default gives is not the entry's: sending it back would write it there.
    role: own,
    when: '',
    hostname: hostname ?? '',
    address: address ?? '',
    revision,
  };
}

/**
 * Writes the entry: with a role as `assign` does, without one as `approve`, which leaves the role to rules and default.
 * What is empty stays as it is. Throws as they do: `conflict` where another one was faster.
 */
export async function saveEntry(
  { assign, approve }: Pick<AdminServerOptions, 'assign' | 'approve'>,
  mac: Mac,
  { role, when, hostname, address, revision }: FormFields,
): Promise<string> {
  const rest = {
    mac,
    ...(hostname === '' ? {} : { hostname }),
    ...(address === '' ? {} : { address }),
    ...(revision === '' ? {} : { revision }),
  };
  if (when === 'once' && role === '') {
    throw new TinderboxError('usage', 'no role was chosen to be booted once', { remedy: 'Choose one.' });
  }
  if (role !== '' || when === 'never') {
    const once = when === 'once' ? true : when === 'never' ? false : undefined;
    const done = await assign({
      ...rest,
      ...(role === '' ? {} : { role }),
      ...(once === undefined ? {} : { once }),
    } satisfies AssignRequest);
    return done.once === undefined ? `its role is ${done.role}` : `it boots ${done.once} once`;
  }
  const done = await approve(rest satisfies ApproveRequest);
  return `it boots ${done.role} as ${done.hostname}`;
}

/** The form as it is to be shown: what was typed is kept, and a conflict says what stands there now. */
export function formOf(
  names: readonly string[],
  explained: Pick<ExplainView, 'assignment'>,
  failed?: { readonly thrown: unknown; readonly typed: FormFields },
): MachineForm {
  const present = fieldsOf(explained);
  const shown = failed?.typed ?? present;
  const isConflict = (failed?.thrown as Partial<TinderboxError> | undefined)?.code === 'conflict';
  return {
    role: shown.role,
    when: shown.when,
    once: explained.assignment.once?.role,
    hostname: shown.hostname,
    address: shown.address,
    // Whoever has been told what is there now, and sends it again, means it.
    revision: present.revision,
    hasRole: present.role !== '',
    roles: names.map((name) => ({ name, chosen: name === shown.role })),
    conflict: isConflict
      ? { role: present.role, hostname: present.hostname, address: present.address }
      : undefined,
    refusal: failed === undefined ? undefined : refusalOf(failed.thrown),
  };
}

export function macOf(text: string): Mac {
  const mac = parseMac(text);
  if (mac !== undefined) return mac;
  throw new TinderboxError('not-found', `${JSON.stringify(text.slice(0, 64))} is no MAC`, {
    remedy: 'The address of a machine here is /machines/52:54:00:12:34:56.',
  });
}
