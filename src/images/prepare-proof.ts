import type { Signature } from 'openpgp';
import { TinderboxError } from '../errors.ts';
import { fetchSmall } from './fetch-small.ts';
import { type JudgedSignature, parseSignature } from './judge-signature.ts';
import type { PullOptions } from './pull-options.ts';
import type { ImageFile } from './vendor.ts';
import { verifyFile } from './verify-signature.ts';

const MOST_SIGNATURE = 64 * 1024;

/** What proves a file, looked at before a byte of it is fetched: a wrong key is known before gigabytes are. */
export interface Proof {
  readonly text: string;
  /** Throws TinderboxError `refused`. */
  readonly check: (
    path: string,
    hashes: { readonly sha256: string; readonly sha512: string },
  ) => Promise<void>;
}

/** Undefined for what is taken out of another file. Throws TinderboxError as KeyRing.judge and fetchSmall do. */
export async function prepareProof(
  file: ImageFile,
  { http, ring, retry }: PullOptions,
): Promise<Proof | undefined> {
  const { proof, name } = file;
  if (proof.kind === 'member') return undefined;
  if (proof.kind === 'checksum') {
    const { algorithm, hex, from, signed } = proof;
    const wanted = hex.toLowerCase();
    return {
      text: `${algorithm} of ${from}${signed ? ', signed' : ', checksum only'}`,
      check(_path, hashes) {
        if (hashes[algorithm] === wanted) return Promise.resolve();
        throw new TinderboxError(
          'refused',
          `${name} is not the file that ${from} lists: its ${algorithm} is ${hashes[algorithm].slice(0, 16)}…, and should be ${wanted.slice(0, 16)}…`,
          { remedy: 'Nothing of it was made usable. Try another mirror: --mirror URL.' },
        );
      },
    };
  }
  const signature: Signature = await parseSignature(
    await fetchSmall(http, proof.url, { ...retry, most: MOST_SIGNATURE }),
    name,
  );
  const judged: JudgedSignature = await ring.judge(signature, name);
  return {
    text: `signature by ${judged.keyId}`,
    async check(path, { sha512 }) {
      const verified = await verifyFile(path, signature, judged, name);
      if (verified === sha512) return;
      throw new TinderboxError('refused', `${name} was changed on the disk while it was verified`);
    },
  };
}
