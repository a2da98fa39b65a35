import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import type { Signature } from 'openpgp';
import { type JudgedSignature, parseClearText, refuseSignature } from './judge-signature.ts';

/** Large enough to keep the disk busy, small enough that a file of any size needs some MiB of memory. */
const CHUNK = 256 * 1024;

/** Of a text whose signature is judged already. Throws TinderboxError `refused`. */
export async function verifyText(
  bytes: Buffer,
  signature: Signature,
  judged: JudgedSignature,
  source: string,
): Promise<void> {
  const { createMessage, verify } = await import('openpgp');
  const message = await createMessage({ binary: new Uint8Array(bytes) });
  const { signatures } = await verify({
    message,
    signature,
    verificationKeys: judged.key,
    format: 'binary',
    config: CONFIG,
  });
  await requireOne(signatures, judged, source);
}

/** The signed text, in UTF-8, without what is around it. Throws TinderboxError `refused`. */
export async function verifyClearText(
  text: string,
  source: string,
  judge: (signature: Signature) => Promise<JudgedSignature>,
): Promise<string> {
  const { verify } = await import('openpgp');
  const message = await parseClearText(text, source);
  // Its own, which its types do not tell: one that is looked for in the text may be another, in front of what was signed.
  const { signature } = message as unknown as { readonly signature: Signature };
  const judged = await judge(signature);
  const { data, signatures } = await verify({ message, verificationKeys: judged.key, config: CONFIG });
  await requireOne(signatures, judged, source);
  return data;
}

/**
 * Reads the file once, in pieces, and resolves to the SHA-512 of exactly the bytes that were verified (600 MiB: 1.6 s and
 * 120 MiB of memory on two shared cores). Throws TinderboxError `refused`.
 */
export async function verifyFile(
  file: string,
  signature: Signature,
  judged: JudgedSignature,
  source: string,
): Promise<string> {
  const { createMessage, verify } = await import('openpgp');
  await using handle = await open(file, 'r');
  const hash = createHash('sha512');
  const message = await createMessage({ binary: streamOf(handle, (chunk) => hash.update(chunk)) });
  const { data, signatures } = await verify({
    message,
    signature,
    verificationKeys: judged.key,
    format: 'binary',
    config: CONFIG,
  });
  // The library computes as it is read; for await would take the lock that it has put its own reader behind.
  const reader = (data as ReadableStream<Uint8Array>).getReader();
  while (!(await reader.read()).done);
  await requireOne(signatures, judged, source);
  return hash.digest('hex');
}

/** Whether the key is good was judged before, by the operator's rules; here only the mathematics count. */
const CONFIG = { minRSABits: 2047 as const };

async function requireOne(
  signatures: readonly { readonly signature: Promise<Signature>; readonly verified: Promise<true> }[],
  { key, packet }: JudgedSignature,
  source: string,
): Promise<void> {
  let failure: unknown;
  for (const one of signatures) {
    const { packets } = await one.signature;
    if (packets[0] !== packet) continue;
    try {
      await one.verified;
      return;
    } catch (thrown) {
      failure = thrown;
    }
  }
  const message = failure instanceof Error ? failure.message : 'what was judged is not in it';
  const why = /digest did not match|verification failed/.test(message)
    ? `it does not fit: the file is another one than ${key.getKeyID().toHex().toUpperCase()} signed, or was changed`
    : message;
  throw refuseSignature(source, why, failure);
}

function streamOf(handle: FileHandle, onChunk: (chunk: Uint8Array) => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafeSlow(CHUNK), 0, CHUNK);
      if (bytesRead === 0) return controller.close();
      const chunk = new Uint8Array(buffer.buffer, buffer.byteOffset, bytesRead);
      onChunk(chunk);
      controller.enqueue(chunk);
    },
  });
}
