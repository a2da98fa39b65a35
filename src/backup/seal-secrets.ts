import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import { TinderboxError } from '../errors.ts';

/**
 * Keys under a passphrase: scrypt makes a key of it, AES-256-GCM seals. The header is authenticated with the rest.
 *
 *   0 "TBOXSEAL" 8 | 8 version 1 | 9 log2 N 1 | 10 r 1 | 11 p 1 | 12 salt 16 | 28 nonce 12 | 40 sealed … | tag 16
 */
const MAGIC = Buffer.from('TBOXSEAL');
const VERSION = 1;
const HEADER = 40;
const TAG = 16;

/** 128 MiB and about half a second a guess on a slow core: what OWASP asks for, with its largest N. */
const LOG_N = 17;
const R = 8;
const P = 1;
/** What a header may ask of this host: 1 GiB, eight times what is asked for now. */
const MAX_LOG_N = 20;
const MAX_BYTES = 2 ** 30;

/** `context` is authenticated too: what is sealed opens only beside it. */
export async function sealSecrets(
  plain: Uint8Array,
  passphrase: string,
  context: Uint8Array,
): Promise<Buffer> {
  const header = Buffer.concat([
    MAGIC,
    Buffer.from([VERSION, LOG_N, R, P]),
    randomBytes(16),
    randomBytes(12),
  ]);
  const cipher = createCipheriv('aes-256-gcm', await keyOf(passphrase, header), header.subarray(28, HEADER), {
    authTagLength: TAG,
  });
  cipher.setAAD(Buffer.concat([header, context]));
  return Buffer.concat([header, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Throws TinderboxError `refused` on a wrong passphrase or context, `invalid-config` on what is no sealed text. */
export async function openSecrets(sealed: Buffer, passphrase: string, context: Uint8Array): Promise<Buffer> {
  if (sealed.length < HEADER + TAG || !sealed.subarray(0, 8).equals(MAGIC)) {
    throw new TinderboxError(
      'invalid-config',
      'the authorities in the backup are not sealed as they should be',
      {
        remedy: 'Take another backup.',
      },
    );
  }
  const [version, logN = 0, r = 0, p = 0] = sealed.subarray(8, 12);
  const isBounded = logN >= 10 && logN <= MAX_LOG_N && r >= 1 && 128 * 2 ** logN * r <= MAX_BYTES;
  if (version !== VERSION || !isBounded || p < 1 || p > 4) {
    throw new TinderboxError(
      'refused',
      `the backup is sealed in a way (version ${version}) that this program does not know`,
      {
        remedy: 'Restore it with the Tinderbox that made it, or a newer one.',
      },
    );
  }
  const header = sealed.subarray(0, HEADER);
  const decipher = createDecipheriv(
    'aes-256-gcm',
    await keyOf(passphrase, header),
    header.subarray(28, HEADER),
    {
      authTagLength: TAG,
    },
  );
  decipher.setAAD(Buffer.concat([header, context]));
  decipher.setAuthTag(sealed.subarray(-TAG));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEADER, -TAG)), decipher.final()]);
  } catch (cause) {
    throw new TinderboxError(
      'refused',
      'the passphrase is not the one of this backup, or somebody has changed the backup',
      {
        cause,
        remedy:
          'Give the passphrase that was given when it was made. Without it: --only database,profiles,config.',
      },
    );
  }
}

function keyOf(passphrase: string, header: Buffer): Promise<Buffer> {
  const [logN = 0, r = 0, p = 0] = header.subarray(9, 12);
  const options = { N: 2 ** logN, r, p, maxmem: 256 * 2 ** logN * r };
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  // Typed on different keyboards, one letter may have two encodings.
  scrypt(passphrase.normalize('NFC'), header.subarray(12, 28), 32, options, (error, key) => {
    if (error === null) resolve(key);
    else reject(error);
  });
  return promise;
}
