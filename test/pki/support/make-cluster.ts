import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLoggers } from '../../../src/logger.ts';
import type { CertificateName } from '../../../src/machine/identity.ts';
import { administratorEntitlement, entitledCertificates } from '../../../src/pki/entitled-certificates.ts';
import type { KeyMaker, KeyPair } from '../../../src/pki/make-keys.ts';
import { openAuthorities } from '../../../src/pki/open-authorities.ts';
import type { Authorities, Entitlement, EntitlementFacts } from '../../../src/pki/port.ts';
import { ip } from '../../support/make-environment.ts';

export const CLUSTER = {
  apiServer: 'https://k8s.example.org:6443',
  serviceNetwork: '10.3.0.0/24',
  dnsDomain: 'cluster.local',
} as const;

export const FACTS: EntitlementFacts = {
  identity: 'worker',
  hostname: 'node-1',
  addresses: [ip('10.77.0.20')],
  cluster: CLUSTER,
  controllers: [{ hostname: 'master-1', addresses: [ip('10.77.0.10')] }],
};

export const CONTROLLER: EntitlementFacts = {
  ...FACTS,
  identity: 'controller',
  hostname: 'master-1',
  addresses: [ip('10.77.0.10')],
};

export function entitlement(name: CertificateName, facts: EntitlementFacts = FACTS): Entitlement {
  // Whatever a test makes of a controller, the cluster knows it.
  const controllers = facts.identity === 'controller' ? [...facts.controllers, facts] : facts.controllers;
  const found = entitledCertificates({ ...facts, controllers }).find((one) => one.name === name);
  if (found === undefined) throw new Error(`${facts.identity} has no ${name}`);
  return found;
}

/** Every certificate of the table, as a controller, or who else may have it, gets it. */
export function everyEntitlement(): readonly Entitlement[] {
  return [...entitledCertificates(CONTROLLER), administratorEntitlement('ada')];
}

export const silent = createLoggers({ level: 'silent' }).daemon;

/** Half of the size, so that tests are not about waiting. */
export const smallKeys: KeyMaker = { make: async () => smallKey() };

export function smallKey(): KeyPair {
  return generateKeyPairSync('rsa', { modulusLength: 2048 });
}

export function makeFolder(t: { teardown(then: () => void): void }): string {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-pki-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export function open(
  folder: string,
  clock: () => number = Date.now,
  logger: Parameters<typeof openAuthorities>[0]['logger'] = silent,
): Promise<Authorities> {
  return openAuthorities({ folder: join(folder, 'pki'), clock, keys: smallKeys, logger });
}

/** What openssl prints; throws with its error output. */
export function openssl(...args: readonly string[]): string {
  return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

export interface RequestOptions {
  readonly subject?: string;
  /** `DNS:a,IP:10.0.0.1` */
  readonly names?: string;
  readonly extensions?: readonly string[];
  readonly key?: readonly string[];
  readonly more?: readonly string[];
}

/** A signing request by OpenSSL, as a guest makes it, and its key. */
export function makeRequest(folder: string, options: RequestOptions = {}): { pem: string; key: string } {
  const {
    subject = '/',
    names,
    extensions = [],
    key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    more = [],
  } = options;
  const file = join(folder, `${Math.random().toString(36).slice(2)}.key`);
  const added = [...(names === undefined ? [] : [`subjectAltName=${names}`]), ...extensions];
  const pem = openssl(
    'req',
    '-new',
    '-nodes',
    '-keyout',
    file,
    '-subj',
    subject,
    ...key,
    ...more,
    ...added.flatMap((text) => ['-addext', text]),
  );
  return { pem, key: file };
}

export interface AuthorityOptions {
  readonly name?: string;
  readonly key?: readonly string[];
  readonly extensions?: readonly string[];
  readonly days?: number;
}

/** A self-signed authority by OpenSSL: paths of its certificate and key. */
export function makeForeignAuthority(folder: string, options: AuthorityOptions = {}) {
  const {
    name = 'foreign',
    key = ['-newkey', 'rsa:2048'],
    extensions = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign'],
    days = 3650,
  } = options;
  const certificate = join(folder, `${name}.crt`);
  const keyFile = join(folder, `${name}.key`);
  // A configuration of its own: Debian's adds CA:TRUE to whatever is self-signed.
  const config = join(folder, 'empty.cnf');
  writeFileSync(config, '[req]\ndistinguished_name = dn\n[dn]\n');
  openssl(
    'req',
    '-x509',
    '-config',
    config,
    '-nodes',
    '-days',
    String(days),
    '-subj',
    `/CN=${name}`,
    ...key,
    '-keyout',
    keyFile,
    '-out',
    certificate,
    ...extensions.flatMap((text) => ['-addext', text]),
  );
  return { certificate, key: keyFile };
}
