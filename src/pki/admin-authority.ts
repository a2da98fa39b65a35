import { createPrivateKey, generateKeyPair, type KeyObject, randomBytes, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TinderboxError } from '../errors.ts';
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyIdentifier,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from './encode-extensions.ts';
import { BACKDATE, refuseAbsurdClock } from './make-authority.ts';
import { writePem } from './pem.ts';
import type { Names } from './port.ts';
import { readParts } from './read-authority.ts';
import { createSecretFolder, listFolder, removeLeftovers, replaceSecretFiles } from './secret-files.ts';
import { encodeSubject, makeSerial, signCertificate } from './sign-certificate.ts';

/** Beside the cluster's authorities, and nothing to them: it vouches for the admin plane to browsers, for nobody else. */
export interface AdminAuthority {
  readonly certificatePem: string;
  /** A key and its certificate for a server. The key is a secret. */
  issue(options: { readonly names: Names; readonly lifetime: number }): Promise<AdminPair>;
}

export interface AdminPair {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

export interface AdminAuthorityOptions {
  /** `<state>/admin-ca`. */
  readonly folder: string;
  /** Of this host, so that a browser that trusts several can tell them apart. */
  readonly name: string;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly random?: (bytes: number) => Uint8Array;
}

export const ADMIN_CA_FILES = { certificate: 'ca.pem', key: 'ca.key' } as const;

const DAY = 86_400_000;
const LIFETIME = 3652 * DAY;
/** With less left, what it issues would end too soon: another is made at the start. */
const LEAST_LEFT = 120 * DAY;

/**
 * Reads the authority, or makes it. Throws `invalid-config` if what is there is broken, `unavailable` if the clock
 * cannot be right or the disk is full, `refused` if the folder may not be used.
 */
export async function openAdminAuthority(options: AdminAuthorityOptions): Promise<AdminAuthority> {
  const { folder, clock, random = randomBytes } = options;
  refuseAbsurdClock(clock());
  await removeLeftovers(folder);
  const found = (await listFolder(folder)).length === 0 ? undefined : await readPair(folder);
  const isFresh = found !== undefined && found.certificate.validToDate.getTime() - clock() > LEAST_LEFT;
  const { certificate, key } = isFresh ? found : await makePair(options, random, found !== undefined);
  const { subject } = readParts(certificate);
  return {
    certificatePem: certificate.toString(),
    async issue({ names, lifetime }) {
      const { publicKey, privateKey } = await makeKeys();
      const now = clock();
      const notAfter = Math.min(now + lifetime, certificate.validToDate.getTime());
      const der = await signCertificate(
        {
          serial: makeSerial(random),
          issuer: subject,
          subject: encodeSubject({ commonName: options.name.slice(0, 64), organizations: ['Tinderbox'] }),
          notBefore: Math.max(now - BACKDATE, certificate.validFromDate.getTime()),
          notAfter,
          publicKey,
          extensions: [
            basicConstraints(),
            keyUsage(['digitalSignature']),
            extendedKeyUsage(['server']),
            subjectKeyIdentifier(keyIdentifier(publicKey)),
            authorityKeyIdentifier(keyIdentifier(certificate.publicKey)),
            subjectAltName(names),
          ],
        },
        key,
      );
      return { certificatePem: writePem('CERTIFICATE', der), keyPem: exportPem(privateKey), notAfter };
    },
  };
}

interface Pair {
  readonly certificate: X509Certificate;
  readonly key: KeyObject;
}

async function readPair(folder: string): Promise<Pair> {
  try {
    const certificate = new X509Certificate(await readFile(join(folder, ADMIN_CA_FILES.certificate)));
    const key = createPrivateKey(await readFile(join(folder, ADMIN_CA_FILES.key)));
    if (!certificate.checkPrivateKey(key)) throw new Error('its key is not that of its certificate');
    return { certificate, key };
  } catch (cause) {
    throw new TinderboxError('invalid-config', `${folder} holds no authority: ${(cause as Error).message}`, {
      cause,
      remedy: 'Remove the folder: the next start makes another, which browsers have to be told to trust.',
    });
  }
}

async function makePair(
  { folder, name, clock }: AdminAuthorityOptions,
  random: (bytes: number) => Uint8Array,
  replace: boolean,
): Promise<Pair> {
  const { publicKey, privateKey } = await makeKeys();
  const subject = encodeSubject({
    commonName: `Tinderbox on ${name}`.slice(0, 64),
    organizations: ['Tinderbox'],
  });
  const der = await signCertificate(
    {
      serial: makeSerial(random),
      issuer: subject,
      subject,
      notBefore: clock() - BACKDATE,
      notAfter: clock() + LIFETIME,
      publicKey,
      extensions: [
        basicConstraints(0),
        keyUsage(['keyCertSign', 'cRLSign']),
        subjectKeyIdentifier(keyIdentifier(publicKey)),
      ],
    },
    privateKey,
  );
  const files = new Map([
    [ADMIN_CA_FILES.certificate, writePem('CERTIFICATE', der)],
    [ADMIN_CA_FILES.key, exportPem(privateKey)],
  ]);
  await (replace ? replaceSecretFiles(folder, files) : createSecretFolder(folder, files));
  return { certificate: new X509Certificate(der), key: privateKey };
}

/** P-256: what every browser takes, and made in a millisecond. */
function makeKeys(): Promise<{ readonly publicKey: KeyObject; readonly privateKey: KeyObject }> {
  return new Promise((resolve, reject) => {
    generateKeyPair('ec', { namedCurve: 'prime256v1' }, (error, publicKey, privateKey) =>
      error === null ? resolve({ publicKey, privateKey }) : reject(error),
    );
  });
}

function exportPem(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}
