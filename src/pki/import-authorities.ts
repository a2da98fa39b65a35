import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Problem, TinderboxError } from '../errors.ts';
import { AUTHORITY_NAMES, type AuthorityName } from '../machine/identity.ts';
import {
  fileOf,
  PKI_FILES,
  type PkiContent,
  readAuthorityFile,
  readKeyFile,
  SERVICE_ACCOUNTS_FILE,
  writeAuthorityFile,
  writeKeyFile,
} from './authority-files.ts';
import { isoDay } from './check-authority.ts';
import { describeAuthority } from './describe-authority.ts';
import { fingerprintKey } from './describe-key.ts';
import { refuseAbsurdClock } from './make-authority.ts';
import { createKeyMaker, type KeyMaker } from './make-keys.ts';
import { makeMissing, pkiFiles } from './open-authorities.ts';
import type { AuthorityDescription } from './port.ts';
import type { AuthorityMaterial } from './read-authority.ts';
import { type ImportSources, readImports, refuseErrors } from './read-imports.ts';
import {
  closeToOthers,
  createSecretFolder,
  listFolder,
  removeLeftovers,
  replaceSecretFiles,
} from './secret-files.ts';

export interface ImportOptions extends ImportSources {
  readonly folder: string;
  /** Take the place of others; their files are kept beside, and their certificates stay trusted. */
  readonly replace?: boolean;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly random: (bytes: number) => Uint8Array;
  readonly keys?: KeyMaker;
}

/** What became of the pair that signs service-account tokens. `kept`: none was given; `missing`: and none is there. */
export type ServiceAccountsOutcome = 'imported' | 'replaced' | 'unchanged' | 'made' | 'kept' | 'missing';
/** As `made` and messages call the pair. */
export const SERVICE_ACCOUNTS = 'service-accounts';

export interface ImportResult {
  readonly imported: readonly AuthorityDescription[];
  /** What was there already, exactly. */
  readonly unchanged: readonly AuthorityName[];
  /** What had to be made, since nothing was there. */
  readonly made: readonly (AuthorityName | typeof SERVICE_ACCOUNTS)[];
  readonly serviceAccounts: ServiceAccountsOutcome;
  readonly warnings: readonly Problem[];
}

/**
 * Takes over authorities that a cluster has already. Everything is checked before anything is written. Throws
 * `invalid-config` with every problem, `refused` if another authority is in the place and `replace` was not said, and
 * what writing throws.
 */
export async function importAuthorities(options: ImportOptions): Promise<ImportResult> {
  const { folder, now, random, keys = createKeyMaker({ reserve: 0 }) } = options;
  refuseAbsurdClock(now);
  const { authorities: given, serviceAccounts, problems } = readImports(options, now);
  refuseErrors(problems);
  await removeLeftovers(folder);
  const names = AUTHORITY_NAMES.filter((name) => given[name] !== undefined);
  const warnings = problems.filter(({ severity }) => severity === 'warning');
  if ((await listFolder(folder)).length === 0) {
    refuseSharedKeys(given);
    const content = await makeMissing(serviceAccounts ? { ...given, serviceAccounts } : given, {
      now,
      random,
      keys,
    });
    await createSecretFolder(folder, pkiFiles(content));
    return {
      imported: names.map((name) => describeAuthority(name, content.authorities[name])),
      unchanged: [],
      made: [
        ...AUTHORITY_NAMES.filter((name) => given[name] === undefined),
        ...(serviceAccounts === undefined ? ([SERVICE_ACCOUNTS] as const) : []),
      ],
      serviceAccounts: serviceAccounts === undefined ? 'made' : 'imported',
      warnings,
    };
  }
  const present = await readPresent(folder);
  const isSame = (name: AuthorityName): boolean =>
    given[name]?.certificate.fingerprint256 === present.authorities[name]?.certificate.fingerprint256;
  const changed = names.filter((name) => !isSame(name));
  const occupied = changed.filter((name) => present.files.has(fileOf(name)));
  const keyChanges =
    serviceAccounts !== undefined &&
    (present.serviceAccounts === undefined || !present.serviceAccounts.equals(serviceAccounts));
  refuseReplacing(options, occupied, keyChanges && present.files.has(SERVICE_ACCOUNTS_FILE));
  refuseSharedKeys({ ...present.authorities, ...given });
  const next = changed.map(
    (name) => [name, keepTrusting(given[name] as AuthorityMaterial, present.authorities[name], now)] as const,
  );
  await replaceSecretFiles(
    folder,
    new Map([
      // What is replaced can be put back by hand.
      ...[...occupied.map(fileOf), ...(keyChanges ? [SERVICE_ACCOUNTS_FILE] : [])].flatMap((name) => {
        const text = present.files.get(name);
        return text === undefined ? [] : [[formerName(name, now), text] as const];
      }),
      ...next.map(([name, material]) => [fileOf(name), writeAuthorityFile(material)] as const),
      ...(keyChanges ? [[SERVICE_ACCOUNTS_FILE, writeKeyFile(serviceAccounts)] as const] : []),
    ]),
  );
  return {
    imported: next.map(([name, material]) => describeAuthority(name, material)),
    unchanged: names.filter(isSame),
    made: [],
    serviceAccounts: outcomeOf(
      serviceAccounts !== undefined,
      keyChanges,
      present.files.has(SERVICE_ACCOUNTS_FILE),
    ),
    warnings,
  };
}

function outcomeOf(given: boolean, changes: boolean, wasThere: boolean): ServiceAccountsOutcome {
  if (!given) return wasThere ? 'kept' : 'missing';
  if (!changes) return 'unchanged';
  return wasThere ? 'replaced' : 'imported';
}

/** What can be read of a folder that may not be whole: what is missing may be just what is imported. */
async function readPresent(folder: string) {
  const files = new Map<string, string>();
  const names = (await listFolder(folder)).filter((name) => PKI_FILES.includes(name));
  await closeToOthers(folder, names);
  for (const name of names) files.set(name, await readFile(join(folder, name), 'utf8'));
  const authorities: Partial<Record<AuthorityName, AuthorityMaterial>> = {};
  const attempt = <T>(name: string, read: (text: string) => T): T | undefined => {
    const text = files.get(name);
    try {
      return text === undefined ? undefined : read(text);
    } catch {
      // A broken file is replaced only if that was said, as a whole one is.
      return undefined;
    }
  };
  for (const name of AUTHORITY_NAMES) {
    const material = attempt(fileOf(name), readAuthorityFile);
    if (material !== undefined) authorities[name] = material;
  }
  return { files, authorities, serviceAccounts: attempt(SERVICE_ACCOUNTS_FILE, readKeyFile) };
}

/** Machines that have not booted since hold certificates of the former one. */
function keepTrusting(
  next: AuthorityMaterial,
  former: AuthorityMaterial | undefined,
  now: number,
): AuthorityMaterial {
  if (former === undefined) return next;
  const own = new Set(
    [next.certificate, ...next.parents, ...next.alsoTrusted].map((one) => one.fingerprint256),
  );
  const kept = [former.certificate, ...former.parents, ...former.alsoTrusted].filter(
    (one) => !own.has(one.fingerprint256) && one.validToDate.getTime() > now,
  );
  return { ...next, alsoTrusted: [...next.alsoTrusted, ...kept] };
}

/** `kubernetes.pem` → `kubernetes.until-2026-08-01T10-20-30.old`. */
function formerName(name: string, now: number): string {
  const at = new Date(now).toISOString().slice(0, 19).replaceAll(':', '-');
  return `${name.replace(/\.pem$/, '')}.until-${at}.old`;
}

export function isFormerOf(authority: AuthorityName, file: string): boolean {
  return file.startsWith(`${authority}.until-`) && file.endsWith('.old');
}

function refuseReplacing(
  { folder, replace, now }: ImportOptions,
  occupied: readonly AuthorityName[],
  keyIsThere: boolean,
): void {
  const what = [...occupied, ...(keyIsThere ? [SERVICE_ACCOUNTS] : [])];
  if (replace === true || what.length === 0) return;
  throw new TinderboxError('refused', `${folder} has another ${what.join(', ')} already (${isoDay(now)})`, {
    remedy:
      'Machines that run trust what is there. If that is meant: --replace; tinderbox ca rotate-plan tells the order.',
  });
}

/** With one authority for all, any worker's certificate would open etcd. */
function refuseSharedKeys(authorities: Partial<PkiContent['authorities']>): void {
  const seen = new Map<string, AuthorityName>();
  for (const name of AUTHORITY_NAMES) {
    const material = authorities[name];
    if (material === undefined) continue;
    const print = fingerprintKey(material.certificate.publicKey);
    const other = seen.get(print);
    if (other !== undefined) {
      throw new TinderboxError('invalid-config', `${name} and ${other} would be one authority`, {
        remedy: "Each needs its own: were they one, any worker's certificate would open etcd.",
      });
    }
    seen.set(print, name);
  }
}
