import { createCleartextMessage, createMessage, generateKey, readPrivateKey, sign } from 'openpgp';

/** A vendor's key, made for a test: a primary key and a subkey that signs, as Flatcar's and Debian's are. */
export interface Signer {
  /** Of the primary key, upper-case hex. */
  readonly fingerprint: string;
  /** Armored. */
  readonly publicKey: string;
  detached(content: Buffer, format: 'binary' | 'armored'): Promise<Buffer>;
  /** The text with its signature around it, as an InRelease. */
  clear(text: string): Promise<Buffer>;
}

export async function makeSigner(userId = 'Test vendor <vendor@example.org>'): Promise<Signer> {
  const [, name = '', email = ''] = /^(.*) <(.*)>$/.exec(userId) ?? [];
  const { privateKey, publicKey } = await generateKey({
    userIDs: [{ name, email }],
    subkeys: [{ sign: true }],
    format: 'armored',
  });
  const signingKeys = await readPrivateKey({ armoredKey: privateKey });
  return {
    fingerprint: signingKeys.getFingerprint().toUpperCase(),
    publicKey,
    async detached(content, format) {
      const message = await createMessage({ binary: new Uint8Array(content) });
      return format === 'binary'
        ? Buffer.from(await sign({ message, signingKeys, detached: true, format: 'binary' }))
        : Buffer.from(await sign({ message, signingKeys, detached: true, format: 'armored' }));
    },
    async clear(text) {
      return Buffer.from(await sign({ message: await createCleartextMessage({ text }), signingKeys }));
    },
  };
}
