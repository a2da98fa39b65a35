import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { AdminTls } from './admin/port.ts';
import type { AdminTlsConfig, Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import { type Ipv4, parseIpv4 } from './machine/ipv4.ts';
import { type AdminAuthority, type AdminPair, openAdminAuthority } from './pki/admin-authority.ts';
import type { Names } from './pki/port.ts';

/** The folder of the admin plane's own authority in paths.state. */
export const ADMIN_CA_FOLDER = 'admin-ca';

const DAY = 86_400_000;
/** Renewed when a third of it is left, without a restart. Browsers refuse those of more than 398 days. */
const LIFETIME = 90 * DAY;

export interface AdminTlsOptions {
  readonly config: Config;
  /** Of every interface of this host, as they are now. */
  readonly addresses: () => readonly Ipv4[];
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

/** Undefined: it listens in the clear, on loopback, or not at all. Throws as `openAdminAuthority`, or `invalid-config`. */
export async function openAdminTls(options: AdminTlsOptions): Promise<AdminTls | undefined> {
  const { config, clock } = options;
  const { tls, listen } = config.admin;
  if (tls === undefined || listen === undefined) return undefined;
  if (tls.kind === 'files') return { pair: () => readCertificateFiles(tls) };
  const authority = await openAdminAuthority({
    folder: join(config.paths.state, ADMIN_CA_FOLDER),
    name: hostname(),
    clock,
  });
  return renewInTime(authority, () => namesFor(options, listen.host), clock);
}

/** What browsers may ask for: where it listens, this host's name, and what the operator calls it. */
function namesFor({ config, addresses }: AdminTlsOptions, host: string): Names {
  const isEverywhere = host === '0.0.0.0' || host === '::';
  const own = parseIpv4(host);
  const loopback = parseIpv4('127.0.0.1');
  const all = [...(own === undefined || isEverywhere ? [] : [own]), ...(isEverywhere ? addresses() : [])];
  const dns = ['localhost', hostname(), ...config.admin.names, ...(/[a-z]/i.test(host) ? [host] : [])];
  return {
    dns: [...new Set(dns.map((name) => name.toLowerCase()))].filter((name) =>
      /^[a-z0-9][a-z0-9.-]*$/.test(name),
    ),
    addresses: [...new Set(loopback === undefined ? all : [...all, loopback])],
  };
}

function renewInTime(authority: AdminAuthority, namesNow: () => Names, clock: () => number): AdminTls {
  let current: { readonly pair: AdminPair; readonly names: Names } | undefined;
  return {
    async pair() {
      const names = namesNow();
      const isRight =
        current !== undefined &&
        current.pair.notAfter - clock() > LIFETIME / 3 &&
        names.dns.every((name) => current?.names.dns.includes(name)) &&
        names.addresses.every((address) => current?.names.addresses.includes(address));
      if (current === undefined || !isRight) {
        current = { pair: await authority.issue({ names, lifetime: LIFETIME }), names };
      }
      return { certificate: current.pair.certificatePem, key: current.pair.keyPem };
    },
  };
}

/** Read anew each time: whoever renews them tells nobody. Throws `invalid-config` on what a server cannot show. */
async function readCertificateFiles({
  certificate,
  key,
}: Extract<AdminTlsConfig, { kind: 'files' }>): Promise<{
  readonly certificate: string;
  readonly key: string;
}> {
  const [chain, secret] = await Promise.all([readText(certificate), readText(key)]);
  try {
    if (new X509Certificate(chain).checkPrivateKey(createPrivateKey(secret)))
      return { certificate: chain, key: secret };
  } catch (cause) {
    throw new TinderboxError('invalid-config', `${certificate}, ${key}: ${(cause as Error).message}`, {
      cause,
      remedy:
        'Both have to be PEM: the certificate with those of its issuers, and its key without a passphrase.',
    });
  }
  throw new TinderboxError('invalid-config', `${key} is not the key of ${certificate}`, {
    remedy: 'Name the two that belong together in admin.tls.',
  });
}

async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: Error) => {
    throw new TinderboxError('invalid-config', `${file} cannot be read: ${cause.message}`, {
      cause,
      remedy: 'Name a file in admin.tls that the user of Tinderbox may read.',
    });
  });
}
