import { randomBytes } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asOwnerOf } from './as-owner-of.ts';
import { refuseSharedFolder } from './close-to-others.ts';
import type { Config } from './config/port.ts';
import { type Problem, TinderboxError } from './errors.ts';
import type { AuthorityName } from './machine/identity.ts';
import { changeTrust } from './pki/change-trust.ts';
import { describeFolder } from './pki/describe-authority.ts';
import { type ImportResult, importAuthorities, isFormerOf } from './pki/import-authorities.ts';
import { planRotation, type RotationPlan } from './pki/plan-rotation.ts';
import type { AuthorityDescription } from './pki/port.ts';
import type { ImportSources, ImportText } from './pki/read-imports.ts';
import { listFolder } from './pki/secret-files.ts';

/** The folder of the authorities in paths.state. */
export const PKI_FOLDER = 'pki';
export function pkiFolder({ paths }: { readonly paths: Pick<Config['paths'], 'state'> }): string {
  return join(paths.state, PKI_FOLDER);
}

export type { AuthorityDescription, ImportResult, RotationPlan };

/** Throws `not-found` before the first start, `refused` if this user may not read them. */
export async function showAuthorities(config: Config): Promise<readonly AuthorityDescription[]> {
  const found = await asOwnerOf(config.paths.state, () => describeFolder(pkiFolder(config)));
  if (found !== undefined) return found;
  throw new TinderboxError('not-found', `there are no authorities in ${pkiFolder(config)} yet`, {
    remedy:
      config.cluster === undefined
        ? `Add \`cluster:\` to ${config.file} (name, apiServer) and start Tinderbox again: without it no authorities are made.`
        : 'The first start makes them; to bring those of a cluster that exists: sudo tinderbox ca import.',
  });
}

export async function planAuthorityRotation(config: Config, now: number): Promise<readonly RotationPlan[]> {
  return planRotation(await showAuthorities(config), now, pkiFolder(config));
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
  await requireFolder(from);
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
  const result = await importInto(
    config,
    { authorities, ...(serviceAccounts === undefined ? {} : { serviceAccounts }) },
    options,
  );
  const isAnother = result.imported.some(({ name }) => name === 'kubernetes');
  if (result.serviceAccounts !== 'kept' || !isAnother) return result;
  return { ...result, warnings: [...result.warnings, warnOfTokens('the pair that is here stays')] };
}

/** The API server takes tokens of the pair that it is given, and no others. */
function warnOfTokens(what: string): Problem {
  return {
    severity: 'warning',
    message: `no key of service accounts (sa.key) was given: ${what}, and every token that another one signed is void`,
    remedy:
      "Bring the cluster's own before a machine boots: sudo tinderbox ca import --from FOLDER --replace, with its sa.key there.",
  };
}

async function requireFolder(path: string): Promise<void> {
  const fail = (why: string): TinderboxError =>
    new TinderboxError('not-found', `${path} ${why}`, {
      remedy: 'Give the folder that kubeadm made: /etc/kubernetes/pki.',
    });
  const found = await stat(path).catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT' || thrown.code === 'ENOTDIR') throw fail('is not there');
    throw thrown;
  });
  if (!found.isDirectory()) throw fail('is no folder');
}

export async function importAuthority(
  config: Config,
  source: { readonly authority: AuthorityName; readonly certificate: string; readonly key: string },
  options: { readonly replace: boolean; readonly now: number },
): Promise<ImportResult> {
  const text = (await readTogether([source.certificate, source.key], false)) as ImportText;
  return importInto(config, { authorities: { [source.authority]: text } }, options);
}

/** Files of former authorities of this name, with their private keys. */
export async function listFormerFiles(config: Config, authority: AuthorityName): Promise<readonly string[]> {
  const folder = pkiFolder(config);
  const names = await asOwnerOf(config.paths.state, () => listFolder(folder));
  return names
    .filter((name) => isFormerOf(authority, name))
    .toSorted()
    .map((name) => join(folder, name));
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
  const more = text === undefined ? {} : { add: text };
  return asOwnerOf(config.paths.state, () =>
    changeTrust({ folder: pkiFolder(config), authority, remove, now, ...more }),
  );
}

async function importInto(
  config: Config,
  sources: ImportSources,
  options: { readonly replace: boolean; readonly now: number },
): Promise<ImportResult> {
  const folder = pkiFolder(config);
  await refuseSharedFolder(config.paths.state);
  const result = await asOwnerOf(config.paths.state, () =>
    importAuthorities({ folder, ...sources, ...options, random: randomBytes }),
  );
  if (result.serviceAccounts !== 'made') return result;
  return { ...result, warnings: [...result.warnings, warnOfTokens('a new pair was made')] };
}

/** The files, the first with the rest; undefined if none is there and that is allowed. Throws `not-found` with each. */
async function readTogether(files: readonly string[], optional: boolean): Promise<ImportText | undefined> {
  const problems: Problem[] = [];
  const texts: ImportText[] = [];
  let missing = 0;
  for (const file of files) {
    try {
      texts.push({ file, text: await readFile(file, 'utf8') });
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') missing += 1;
      problems.push({ severity: 'error', file, message: `cannot be read: ${(thrown as Error).message}` });
    }
  }
  if (optional && missing === files.length) return undefined;
  if (problems.length > 0) {
    throw new TinderboxError('not-found', 'the import is refused; nothing was changed', { problems });
  }
  const [first, ...rest] = texts;
  return first === undefined ? undefined : { ...first, rest };
}
