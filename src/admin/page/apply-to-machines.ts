import { TinderboxError, toTinderboxError } from '../../errors.ts';
import { type Mac, parseMac } from '../../machine/mac.ts';
import { ownPath } from '../access/own-path.ts';
import type { AdminServerOptions } from '../port.ts';
import { problemOf } from '../problem.ts';
import { ROWS } from './fleet-query.ts';

export interface Bulk {
  readonly action: 'approve' | 'assign';
  readonly macs: readonly Mac[];
  /** Absent when approving: the rules and the default decide. */
  readonly role?: string;
  /** Of the entries of these machines, as they were shown: whoever was faster is not overwritten. */
  readonly revisions: ReadonlyMap<Mac, string>;
  /** The page that it was asked on. */
  readonly back: string;
}

export interface BulkResult {
  readonly mac: Mac;
  readonly said?: string;
  readonly failed?: string;
  readonly remedy?: string | undefined;
}

/** Of a form. Throws TinderboxError `usage` where nothing, or nonsense, was chosen. */
export function readBulk(body: unknown): Bulk {
  const { mac, role, action, back, revision } = (body ?? {}) as Readonly<Record<string, unknown>>;
  const texts = listOf(mac);
  const macs = texts.map((text) => (typeof text === 'string' ? parseMac(text) : undefined));
  if (macs.includes(undefined)) throw new TinderboxError('usage', 'what was chosen is no MAC');
  if (macs.length === 0) {
    throw new TinderboxError('usage', 'no machine was chosen', {
      remedy: 'Go back, and tick the boxes before those that are meant.',
    });
  }
  if (macs.length > ROWS) {
    throw new TinderboxError('usage', `more than ${ROWS} machines were chosen`, { remedy: 'Choose fewer.' });
  }
  const wanted = typeof role === 'string' && role !== '' ? role : undefined;
  const chosen = new Set(macs as readonly Mac[]);
  const shared = {
    macs: [...chosen],
    revisions: readRevisions(listOf(revision), chosen),
    back: ownPath(back),
    ...(wanted === undefined ? {} : { role: wanted }),
  };
  if (action === 'approve') return { action, ...shared };
  if (action !== 'assign') throw new TinderboxError('usage', 'neither approve nor assign was chosen');
  if (wanted === undefined) {
    throw new TinderboxError('usage', 'no role was chosen', { remedy: 'Go back, and choose one.' });
  }
  return { action, ...shared };
}

const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined ? [] : [value];

/** A page sends those of all its rows, `52:54:00:12:34:56=<revision>`; only those of the chosen are kept. */
function readRevisions(texts: readonly unknown[], chosen: ReadonlySet<Mac>): ReadonlyMap<Mac, string> {
  const revisions = texts.map((text) => {
    const [mac = '', revision = ''] = typeof text === 'string' ? text.split('=', 2) : [];
    return [parseMac(mac), revision] as const;
  });
  if (revisions.some(([mac, revision]) => mac === undefined || !/^\w{1,64}$/.test(revision))) {
    throw new TinderboxError('usage', 'a revision is not that of a machine', {
      remedy: 'Load the page again.',
    });
  }
  return new Map((revisions as (readonly [Mac, string])[]).filter(([mac]) => chosen.has(mac)));
}

/** One after the other, since they edit one file. What fails for one is done for the others. */
export async function applyToMachines(
  options: Pick<AdminServerOptions, 'approve' | 'assign' | 'logger'>,
  { action, macs, role, revisions }: Bulk,
): Promise<readonly BulkResult[]> {
  const results: BulkResult[] = [];
  for (const mac of macs) {
    try {
      results.push({ mac, said: await applyTo(options, action, revisedRequest(mac, revisions), role) });
    } catch (thrown) {
      const error = toTinderboxError(thrown);
      if (error.code === 'internal') options.logger.error({ err: error, mac }, 'a request failed');
      const { detail, remedy } = problemOf(error);
      results.push({ mac, failed: detail, remedy });
    }
  }
  return results;
}

function revisedRequest(mac: Mac, revisions: ReadonlyMap<Mac, string>) {
  const revision = revisions.get(mac);
  return { mac, ...(revision === undefined ? {} : { revision }) };
}

async function applyTo(
  options: Pick<AdminServerOptions, 'approve' | 'assign'>,
  action: Bulk['action'],
  shared: { readonly mac: Mac; readonly revision?: string },
  role: string | undefined,
): Promise<string> {
  if (action === 'assign') {
    const assigned = await options.assign({ ...shared, role: role ?? '' });
    if (assigned.once !== undefined) return `role ${assigned.role}, after ${assigned.once} once`;
    return `role ${assigned.role}, from its next boot on`;
  }
  const approved = await options.approve({ ...shared, ...(role === undefined ? {} : { role }) });
  const boots = `boots ${approved.role} as ${approved.hostname}`;
  return approved.changed ? boots : `${boots}: it had this entry already`;
}
