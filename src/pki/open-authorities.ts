import { createPublicKey, randomBytes } from 'node:crypto';
import { TinderboxError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { AUTHORITY_NAMES, type AuthorityName } from '../machine/identity.ts';
import {
  exportKey,
  fileOf,
  PKI_FILES,
  type PkiContent,
  readPkiFolder,
  SERVICE_ACCOUNTS_FILE,
  writeAuthorityFile,
  writeKeyFile,
} from './authority-files.ts';
import { summarize } from './check-authority.ts';
import { refuseExcess } from './check-request.ts';
import { describeAuthority } from './describe-authority.ts';
import { fingerprintKey } from './describe-key.ts';
import { issueCertificate } from './issue-certificate.ts';
import { makeAuthority, refuseAbsurdClock } from './make-authority.ts';
import { CURVE, createKeyMaker, type KeyMaker, LEAF_BITS } from './make-keys.ts';
import type { Authorities, SignedCertificate } from './port.ts';
import { readRequest } from './read-request.ts';
import { closeToOthers, createSecretFolder, listFolder, removeLeftovers } from './secret-files.ts';
import { createTurns } from './take-turns.ts';

export interface AuthoritiesOptions {
  /** `<state>/pki`. */
  readonly folder: string;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  /** For serial numbers. */
  readonly random?: (bytes: number) => Uint8Array;
  readonly keys?: KeyMaker;
  readonly logger: Pick<Logger, 'info' | 'warn'>;
}

const MAX_WAITING = 1000;

/**
 * Reads the cluster's authorities, or makes them at the first start: all of them or none. Throws TinderboxError:
 * `invalid-config` if what is there is broken or not whole; `unavailable` if the disk is full, or the clock cannot be
 * right when they are to be made; `refused` if the folder may not be used.
 */
export async function openAuthorities(options: AuthoritiesOptions): Promise<Authorities> {
  const { folder, clock, logger, random = randomBytes, keys = createKeyMaker() } = options;
  await removeLeftovers(folder);
  if ((await listFolder(folder)).length === 0) {
    refuseAbsurdClock(clock());
    logger.info({ folder }, "making the cluster's authorities");
    const made = await makeMissing({}, { now: clock(), random, keys });
    await createSecretFolder(folder, pkiFiles(made));
  }
  const present = (await listFolder(folder)).filter((name) => PKI_FILES.includes(name));
  for (const path of await closeToOthers(folder, present)) {
    logger.warn({ path }, 'was open to other users; now it is not, but what it holds may be known');
  }
  const content = await readPkiFolder(folder);
  for (const name of AUTHORITY_NAMES) {
    // An expired one is no reason not to start: machines boot without it, and only issuing is refused. `checkFolder`
    // says so, before the start.
    logger.info({ authority: name }, summarize(content.authorities[name]));
  }
  return useAuthorities(content, { clock, random, keys });
}

/** Those given, and new ones for the rest. */
export async function makeMissing(
  given: Partial<PkiContent['authorities']> & Partial<Pick<PkiContent, 'serviceAccounts'>>,
  deps: { readonly now: number; readonly random: (bytes: number) => Uint8Array; readonly keys: KeyMaker },
): Promise<PkiContent> {
  const take = (name: AuthorityName) => given[name] ?? makeAuthority({ name, ...deps });
  return {
    authorities: {
      kubernetes: await take('kubernetes'),
      etcd: await take('etcd'),
      'front-proxy': await take('front-proxy'),
    },
    serviceAccounts: given.serviceAccounts ?? (await deps.keys.make(LEAF_BITS)).privateKey,
  };
}

/** What `<state>/pki` holds, as text. */
export function pkiFiles({ authorities, serviceAccounts }: PkiContent): ReadonlyMap<string, string> {
  return new Map([
    ...AUTHORITY_NAMES.map((name) => [fileOf(name), writeAuthorityFile(authorities[name])] as const),
    [SERVICE_ACCOUNTS_FILE, writeKeyFile(serviceAccounts)],
  ]);
}

export function useAuthorities(
  { authorities, serviceAccounts }: PkiContent,
  { clock, random, keys }: Required<Pick<AuthoritiesOptions, 'clock' | 'random' | 'keys'>>,
): Authorities {
  const reading = createTurns({ what: 'answers to signing requests', maxWaiting: MAX_WAITING });
  const signing = createTurns({ what: 'certificates', maxWaiting: MAX_WAITING });
  const trustOf = (name: AuthorityName): string => {
    const { certificate, parents, alsoTrusted } = authorities[name];
    return [certificate, ...parents, ...alsoTrusted].map(String).join('');
  };
  const trust: Readonly<Record<AuthorityName, string>> = {
    kubernetes: trustOf('kubernetes'),
    etcd: trustOf('etcd'),
    'front-proxy': trustOf('front-proxy'),
  };
  const sign: Authorities['sign'] = (entitlement, publicKey): Promise<SignedCertificate> =>
    signing.run(() =>
      issueCertificate({
        authority: authorities[entitlement.authority],
        entitlement,
        publicKey,
        now: clock(),
        random,
      }),
    );
  return {
    sign,
    async issue(entitlement) {
      const { publicKey, privateKey } = await keys.make(CURVE);
      return { ...(await sign(entitlement, publicKey)), keyPem: exportKey(privateKey) };
    },
    async signRequest(pem, entitlement, { onlyKey } = {}) {
      const request = await reading.run(() => readRequest(pem));
      refuseExcess(request, entitlement);
      if (onlyKey !== undefined && onlyKey !== fingerprintKey(request.publicKey)) {
        throw new TinderboxError(
          'in-use',
          `a certificate ${entitlement.name} was given out already, for another key`,
          { remedy: 'If the machine lost its key, boot it again.' },
        );
      }
      return sign(entitlement, request.publicKey);
    },
    // Made once: every script and configuration asks.
    trustOf: (name) => trust[name],
    serviceAccountKeys: () => ({
      privateKeyPem: exportKey(serviceAccounts),
      publicKeyPem: createPublicKey(serviceAccounts).export({ type: 'spki', format: 'pem' }) as string,
    }),
    describe: () => AUTHORITY_NAMES.map((name) => describeAuthority(name, authorities[name])),
  };
}
