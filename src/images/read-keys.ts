import type { PublicKey } from 'openpgp';
import { printable } from '../document/printable.ts';
import { TinderboxError } from '../errors.ts';
import type { VendorKey } from './vendor.ts';

/** A vendor's key file has one or some keys; Debian's whole keyring has 800 KiB. */
export const MOST_KEY_BYTES = 4 * 1024 * 1024;

/** As operators write it: with spaces, in any case. */
export function plainFingerprint(text: string): string {
  return text.replaceAll(/[\s:]/g, '').replace(/^0x/i, '').toUpperCase();
}

/** As gpg shows it: in groups of four. */
export function spacedFingerprint(fingerprint: string): string {
  return fingerprint.match(/.{1,4}/g)?.join(' ') ?? fingerprint;
}

/**
 * Those of a key file that the vendor is known to have, by the fingerprint of the primary key. Throws TinderboxError
 * `refused` if none is, or if it is no key file; `source` names it.
 */
export async function readVendorKeys(
  bytes: Buffer,
  source: string,
  wanted: readonly VendorKey[],
): Promise<readonly PublicKey[]> {
  const { readKeys } = await import('openpgp');
  const text = bytes.subarray(0, 4096).toString('latin1');
  const armored = text.includes('-----BEGIN PGP');
  const keys = await (armored
    ? readKeys({ armoredKeys: bytes.toString() })
    : readKeys({ binaryKeys: bytes })
  ).catch((cause: unknown) => {
    throw new TinderboxError(
      'refused',
      `${source} is no OpenPGP key: ${printable((cause as Error).message)}`,
      {
        cause,
        remedy: 'Get the key otherwise, and name its file: --key FILE.',
      },
    );
  });
  const known = new Set(wanted.map(({ fingerprint }) => plainFingerprint(fingerprint)));
  const found = keys.map((key) => key.toPublic()).filter((key) => known.has(fingerprintOf(key)));
  if (found.length > 0) return found;
  const others = keys.map((key) => spacedFingerprint(fingerprintOf(key))).slice(0, 3);
  throw new TinderboxError(
    'refused',
    `${source} has ${others.length === 0 ? 'no key' : `the key ${others.join(', ')}`}, and not the one that Tinderbox knows: ${[...known].map(spacedFingerprint).join(', ')}`,
    {
      remedy:
        'Whoever runs that server may have put another key there, or the vendor has a new one: then a newer Tinderbox knows it.',
    },
  );
}

export function fingerprintOf(key: { getFingerprint(): string }): string {
  return key.getFingerprint().toUpperCase();
}
