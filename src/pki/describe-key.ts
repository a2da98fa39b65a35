import { createHash, type KeyObject } from 'node:crypto';
import { isOid, partsOf } from './der.ts';
import { encodedKey, keyAsDer } from './encode-extensions.ts';

const CURVES: Readonly<Record<string, string>> = {
  prime256v1: 'P-256',
  secp384r1: 'P-384',
  secp521r1: 'P-521',
};

/** `RSA 2048`, `EC P-256`, `ed25519`. */
export function describeKey(key: KeyObject): string {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return `RSA ${modulusLength}`;
    case 'ec':
      return `EC ${CURVES[namedCurve ?? ''] ?? namedCurve ?? 'with parameters of its own'}`;
    default:
      return String(key.asymmetricKeyType);
  }
}

/**
 * Why a public key is not good enough; undefined if it is. Bounded above too: what OpenSSL needs for a check grows with
 * the square of the size, and with the exponent, and both are a stranger's to choose.
 */
export function findKeyWeakness(key: KeyObject): string | undefined {
  const { modulusLength = 0, publicExponent = 0n, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case 'rsa':
      if (modulusLength < 2048) return `its RSA key has ${modulusLength} bits, and 2048 is the least`;
      if (modulusLength > 8192) return `its RSA key has ${modulusLength} bits, and 8192 is the most`;
      if (publicExponent < 65537n || publicExponent > 0x7fffffffn || publicExponent % 2n === 0n)
        return `its RSA key has the exponent ${publicExponent}; use 65537`;
      return undefined;
    case 'ec':
      if (CURVES[namedCurve] === undefined)
        return `its key is on the curve ${namedCurve || 'that it describes itself'}; use P-256 or P-384`;
      // OpenSSL recognises a known curve in spelled-out numbers; Go, and with it Kubernetes, does not.
      return isCurveNamed(key)
        ? undefined
        : 'its key spells out its curve; name it (ec_param_enc:named_curve)';
    default:
      return `its key is of the kind ${key.asymmetricKeyType}; use RSA or EC (P-256, P-384)`;
  }
}

/** SubjectPublicKeyInfo ::= SEQUENCE { SEQUENCE { algorithm, parameters }, key } (RFC 5480 section 2.1.1). */
function isCurveNamed(key: KeyObject): boolean {
  const [algorithm] = partsOf(encodedKey(key), 'a public key');
  const [, curve] = partsOf(algorithm, 'a public key');
  return isOid(curve);
}

/** SHA-256 of SubjectPublicKeyInfo, hexadecimal. */
export function fingerprintKey(key: KeyObject): string {
  return createHash('sha256').update(keyAsDer(key)).digest('hex');
}
