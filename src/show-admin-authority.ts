import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ADMIN_CA_FOLDER } from './admin-tls.ts';
import { asOwnerOf } from './as-owner-of.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import { ADMIN_CA_FILES } from './pki/admin-authority.ts';

/** What a browser is told to trust. Its key stays in paths.state. */
export interface AdminAuthorityView {
  readonly subject: string;
  /** SHA-256, as `openssl x509 -fingerprint -sha256` prints it. */
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  readonly pem: string;
}

/** Throws `not-found` where none was made: it listens on loopback, or shows the operator's own certificate. */
export async function showAdminAuthority(config: Config): Promise<AdminAuthorityView> {
  const { state } = config.paths;
  const file = join(state, ADMIN_CA_FOLDER, ADMIN_CA_FILES.certificate);
  const pem = await asOwnerOf(state, () => readFile(file, 'utf8')).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause;
    throw new TinderboxError('not-found', 'the admin plane has no authority of its own', {
      cause,
      remedy: `The first start makes one where admin.listen in ${config.file} is no loopback address, or admin.tls is own.`,
    });
  });
  const certificate = new X509Certificate(pem);
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    fingerprint: certificate.fingerprint256,
    notAfter: certificate.validToDate.getTime(),
    pem,
  };
}
