import { createMessage, readCleartextMessage, readKey, readSignature, verify } from 'openpgp';
import { TinderboxError } from '../../src/errors.ts';
import type { VendorFetch } from '../../src/images/vendor.ts';
import type { VendorMirror } from './vendor-mirror.ts';

/** What vendors ask through, without the bounds of the real one: for tests of plans alone. Trusts the mirror's signer. */
export function fetchFrom(mirror: VendorMirror): VendorFetch {
  return {
    async text(url) {
      return (await get(url)).toString('utf8');
    },
    async signed(url, signature) {
      const verificationKeys = await readKey({ armoredKey: mirror.signer.publicKey });
      const content = await get(url);
      if (signature === undefined) {
        const message = await readCleartextMessage({ cleartextMessage: content.toString('utf8') });
        const { data, signatures } = await verify({ message, verificationKeys });
        await requireOne(signatures);
        return data;
      }
      const bytes = await get(signature);
      const { signatures } = await verify({
        message: await createMessage({ binary: new Uint8Array(content) }),
        signature: bytes.toString('latin1').startsWith('-----BEGIN')
          ? await readSignature({ armoredSignature: bytes.toString('latin1') })
          : await readSignature({ binarySignature: new Uint8Array(bytes) }),
        verificationKeys,
      });
      await requireOne(signatures);
      return content.toString('utf8');
    },
  };
}

/** Answers from a table, by URL; the rest is not there. Every text counts as signed. */
export function fetchOf(texts: Readonly<Record<string, string>>): VendorFetch {
  const text = (url: string): Promise<string> => {
    const found = texts[url];
    return found === undefined
      ? Promise.reject(new TinderboxError('not-found', `${url}: status 404`))
      : Promise.resolve(found);
  };
  return { text, signed: (url) => text(url) };
}

async function get(url: string): Promise<Buffer> {
  const response = await fetch(url);
  if (!response.ok) {
    const code = response.status === 404 ? 'not-found' : 'unavailable';
    throw new TinderboxError(code, `${url}: status ${response.status}`);
  }
  return Buffer.from(await response.arrayBuffer());
}

async function requireOne(signatures: readonly { readonly verified: Promise<unknown> }[]): Promise<void> {
  try {
    await Promise.any(signatures.map(({ verified }) => verified));
  } catch (thrown) {
    throw new TinderboxError('refused', 'no good signature', { cause: thrown });
  }
}
