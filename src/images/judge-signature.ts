import type { CleartextMessage, PublicKey, Signature, SignaturePacket } from 'openpgp';
import { printable } from '../document/printable.ts';
import { TinderboxError } from '../errors.ts';
import { fingerprintOf, spacedFingerprint } from './read-keys.ts';

/** RFC 9580, 9.5: by their numbers. SHA-1 collisions are bought; gpg takes them no more either. */
const STRONG_HASHES = new Set([8, 9, 10, 11, 12, 14]);
/**
 * RFC 9580, 5.2.1: of a document and of a text, by their numbers. The others are over keys and names, or over nothing at
 * all: a standalone one by the vendor's key would fit any file.
 */
const OF_DOCUMENTS = new Set([0x00, 0x01]);
const HASH_NAMES: Readonly<Record<number, string>> = { 1: 'MD5', 2: 'SHA-1', 3: 'RIPEMD-160' };

export interface SignatureRules {
  readonly now: Date;
  /** Of a key that has expired since: only if the operator said so. */
  readonly allowExpired: boolean;
}

/** The one of a file's signatures that is made by a key of the vendor, before anything of it is computed. */
export interface JudgedSignature {
  readonly key: PublicKey;
  /** Of the key or sub-key that made it. */
  readonly keyId: string;
  /** It alone was judged: another one by the same key proves nothing. */
  readonly packet: SignaturePacket;
}

/**
 * Whether a signature could be good: made by a key of the vendor that is neither revoked nor expired, over a hash that
 * nobody forges. Throws TinderboxError `refused` with what is wrong; `source` is what it is a signature of.
 */
export async function judgeSignature(
  signature: Signature,
  keys: readonly PublicKey[],
  source: string,
  rules: SignatureRules,
): Promise<JudgedSignature> {
  let why = 'it holds no signature';
  let foreign: string | undefined;
  for (const packet of signature.packets) {
    // What the library cannot read it keeps as a packet without a name.
    const id: SignaturePacket['issuerKeyID'] | undefined = packet.issuerKeyID;
    if (id === undefined) continue;
    const key = keys.find((one) => one.getKeys(id).length > 0);
    if (key === undefined) {
      foreign = id.toHex().toUpperCase();
      continue;
    }
    const hash = packet.hashAlgorithm ?? 0;
    if (!OF_DOCUMENTS.has(packet.signatureType ?? -1)) {
      why = `it is of the type ${packet.signatureType}, which signs no file`;
      continue;
    }
    const wrong = STRONG_HASHES.has(hash)
      ? await judgeKey(key, id.toHex(), packet.created ?? rules.now, rules)
      : `it is made over ${HASH_NAMES[hash] ?? `hash number ${hash}`}, which can be forged`;
    if (wrong === undefined) return { key, keyId: id.toHex().toUpperCase(), packet };
    why = wrong;
  }
  if (why === 'it holds no signature' && foreign !== undefined) {
    const own = keys.map((key) => spacedFingerprint(fingerprintOf(key))).join(', ');
    why = `it is signed by the key ${foreign}, which is none of the vendor's (${own})`;
  }
  throw refuseSignature(source, why);
}

/** What speaks against a key (a sub-key where that signed), in the vendor's own words: its signatures over it. */
async function judgeKey(
  key: PublicKey,
  keyId: string,
  signedAt: Date,
  { now, allowExpired }: SignatureRules,
): Promise<string | undefined> {
  const name = `the key ${spacedFingerprint(fingerprintOf(key))}`;
  if (await key.isRevoked(undefined, undefined, now).catch(() => true)) return `${name} was revoked`;
  const isPrimary = key.getKeyID().toHex() === keyId;
  const subkey = key.subkeys.find((one) => one.getKeyID().toHex() === keyId);
  const made = isPrimary ? name : `the sub-key ${keyId.toUpperCase()} of ${name}`;
  const revoked = subkey?.bindingSignatures.some(({ revoked: is }) => is === true) === true;
  if (revoked || (subkey?.revocationSignatures.length ?? 0) > 0) return `${made} was revoked`;
  if (signedAt > now) {
    return `it was made on ${signedAt.toISOString()}, which is still to come by this host's clock: ${now.toISOString()}`;
  }
  const until = await expiryOf(key, subkey, now);
  if (until === undefined) return `${made} is not bound to it by a signature that holds`;
  if (until > now) return undefined;
  if (allowExpired && signedAt <= until) return undefined;
  const day = until.toISOString().slice(0, 10);
  return allowExpired
    ? `${made} had expired on ${day} when it signed`
    : `${made} has expired on ${day}; for an old version, signed while it was valid: --allow-expired-key`;
}

/** The earlier one of both; undefined: no signature binds it. */
async function expiryOf(
  key: PublicKey,
  subkey: PublicKey['subkeys'][number] | undefined,
  now: Date,
): Promise<Date | undefined> {
  const times = [await key.getExpirationTime(), subkey && (await subkey.getExpirationTime(now))];
  if (times[0] === null || times[1] === null) return undefined;
  const dates = times.filter((time) => time instanceof Date).map((time) => time.getTime());
  return new Date(dates.length === 0 ? 8.64e15 : Math.min(...dates));
}

export function refuseSignature(source: string, why: string, cause?: unknown): TinderboxError {
  return new TinderboxError('refused', `the signature of ${source} is refused: ${why}`, {
    cause,
    remedy:
      'Nothing of it was made usable. Try another mirror: --mirror URL; if all say the same, ask the vendor.',
  });
}

/** Armored or binary, as vendors publish them. Throws TinderboxError `refused` for what is none. */
export async function parseSignature(bytes: Buffer, source: string): Promise<Signature> {
  const { readSignature } = await import('openpgp');
  const armored = bytes.subarray(0, 256).toString('latin1').includes('-----BEGIN PGP SIGNATURE');
  try {
    return await (armored
      ? readSignature({ armoredSignature: bytes.toString() })
      : readSignature({ binarySignature: bytes }));
  } catch (cause) {
    throw refuseSignature(
      source,
      `it is no OpenPGP signature (${printable((cause as Error).message)})`,
      cause,
    );
  }
}

/** A text that holds its own signature. Throws TinderboxError `refused` for what is none. */
export async function parseClearText(text: string, source: string): Promise<CleartextMessage> {
  const { readCleartextMessage } = await import('openpgp');
  try {
    return await readCleartextMessage({ cleartextMessage: text });
  } catch (cause) {
    throw refuseSignature(source, `it is no signed text (${printable((cause as Error).message)})`, cause);
  }
}
