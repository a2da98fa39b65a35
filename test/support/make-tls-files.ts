import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** A certificate for an address, signed by itself, and its key; both PEM, in `folder`. */
export function makeTlsFiles(
  folder: string,
  address: string,
): { readonly key: string; readonly certificate: string } {
  const key = join(folder, 'key.pem');
  const certificate = join(folder, 'cert.pem');
  const words = 'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bmc'.split(
    ' ',
  );
  const argv = [...words, '-addext', `subjectAltName=IP:${address}`, '-keyout', key, '-out', certificate];
  execFileSync('openssl', argv, { stdio: 'ignore' });
  return { key, certificate };
}
