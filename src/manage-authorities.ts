import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from './config/port.ts';
import { type Problem, TinderboxError } from './errors.ts';
import type { AuthorityName } from './machine/identity.ts';
import { changeTrust } from './pki/change-trust.ts';
import { describeFolder } from './pki/describe-authority.ts';
import { type ImportResult, importAuthorities } from './pki/import-authorities.ts';
import { planRotation, type RotationPlan } from './pki/plan-rotation.ts';
import type { AuthorityDescription } from './pki/port.ts';
import type { ImportSources, ImportText } from './pki/read-imports.ts';

/** The folder of the authorities in paths.state. */
export const PKI_FOLDER = 'pki';
export function pkiFolder({ paths }: { readonly paths: Pick<Config['paths'], 'state'> }): string {
  return join(paths.state, PKI_FOLDER);
}

export type { AuthorityDescription, ImportResult, RotationPlan };

/** Throws `not-found` before the first start. */
export async function showAuthorities(config: Config): Promise<readonly AuthorityDescription[]> {
  const found = await describeFolder(pkiFolder(config));
  if (found !== undefined) return found;
  throw new TinderboxError('not-found', `there are no authorities in ${pkiFolder(config)} yet`, {
    remedy: 'The first start makes them; to bring those of a cluster that exists: tinderbox ca import.',
  });
}

export async function planAuthorityRotation(config: Config, now: number): Promise<readonly RotationPlan[]> {
  return planRotation(await showAuthorities(config), now);
}

/** Where kubeadm keeps what can be imported. */
const KUBEADM_FILES = {
  kubernetes: ['ca.crt', 'ca.key'],
  etcd: ['etcd/ca.crt', 'etcd/ca.key'],
  'front-proxy': ['front-proxy-ca.crt', 'front-proxy-ca.key'],
} as const satisfies Record<AuthorityName, readonly string[]>;

/** `/etc/kubernetes/pki` of a master that kubeadm made; a part that is not there is left out. */
export async function importKubeadmFolder(
  config: Config,
  from: string,
  options: { readonly replace: boolean; readonly now: number },
): Promise<ImportResult> {
  const authorities: Partial<Record<AuthorityName, ImportText>> = {};
  for (const name of ['kubernetes', 'etcd', 'front-proxy'] as const) {
    const found = await readTogether(
      KUBEADM_FILES[name].map((file) => join(from, file)),
      true,
    );
    if (found !== undefined) authorities[name] = found;
  }
  const serviceAccounts = await readTogether([join(from, 'sa.key')], true);
  if (Object.keys(authorities).length === 0 && serviceAccounts === undefined) {
    throw new TinderboxError(
      'not-found',
      `${from} has neither ca.crt nor etcd/ca.crt nor front-proxy-ca.crt`,
      {
        remedy: 'Give the folder that kubeadm made: /etc/kubernetes/pki.',
      },
    );
  }
  return importInto(
    config,
    { authorities, ...(serviceAccounts === undefined ? {} : { serviceAccounts }) },
    options,
  );
}

export async function importAuthority(
  config: Config,
  source: { readonly authority: AuthorityName; readonly certificate: string; readonly key: string },
  options: { readonly replace: boolean; readonly now: number },
): Promise<ImportResult> {
  const text = (await readTogether([source.certificate, source.key], false)) as ImportText;
  return importInto(config, { authorities: { [source.authority]: text } }, options);
}

export async function changeTrustOf(
  config: Config,
  change: {
    readonly authority: AuthorityName;
    readonly add: string | undefined;
    readonly remove: readonly string[];
    readonly now: number;
  },
): Promise<AuthorityDescription> {
  const { authority, add, remove, now } = change;
  const text = add === undefined ? undefined : await readTogether([add], false);
  return changeTrust({
    folder: pkiFolder(config),
    authority,
    remove,
    now,
    ...(text === undefined ? {} : { add: text }),
  });
}

function importInto(
  config: Config,
  sources: ImportSources,
  options: { readonly replace: boolean; readonly now: number },
): Promise<ImportResult> {
  return importAuthorities({ folder: pkiFolder(config), ...sources, ...options, random: randomBytes });
}

/** The files one after the other; undefined if none is there and that is allowed. Throws `not-found` with each. */
async function readTogether(files: readonly string[], optional: boolean): Promise<ImportText | undefined> {
  const problems: Problem[] = [];
  const texts: string[] = [];
  for (const file of files) {
    try {
      texts.push(await readFile(file, 'utf8'));
    } catch (thrown) {
      problems.push({ severity: 'error', file, message: `cannot be read: ${(thrown as Error).message}` });
    }
  }
  if (optional && texts.length === 0) return undefined;
  if (problems.length > 0) {
    throw new TinderboxError('not-found', 'the import is refused; nothing was changed', { problems });
  }
  return { text: texts.join('\n'), file: files[0] ?? '' };
}
