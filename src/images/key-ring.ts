import { readFile } from 'node:fs/promises';
import type { PublicKey, Signature } from 'openpgp';
import { TinderboxError } from '../errors.ts';
import { fetchSmall } from './fetch-small.ts';
import type { HttpSource } from './http-get.ts';
import { type JudgedSignature, judgeSignature, type SignatureRules } from './judge-signature.ts';
import {
  fingerprintOf,
  MOST_KEY_BYTES,
  plainFingerprint,
  readVendorKeys,
  spacedFingerprint,
} from './read-keys.ts';
import { readTrustedKeys, trustKey } from './trusted-keys.ts';
import type { RetryOptions } from './try-again.ts';
import type { ImageVendor, VendorKey } from './vendor.ts';

export interface KeyRingOptions {
  readonly vendor: Pick<ImageVendor, 'name' | 'keys'>;
  readonly assets: string;
  readonly http: HttpSource;
  readonly retry: RetryOptions;
  readonly rules: SignatureRules;
  /** A key file of the operator's, in the place of the vendor's URL. */
  readonly keyFile?: Buffer;
  /** What the operator confirmed on the command line. */
  readonly trust: readonly string[];
  /** Asks; undefined where nobody can be asked. */
  readonly confirm?: ((key: KeyQuestion) => Promise<boolean>) | undefined;
  readonly onNote: (text: string) => void;
  /** Makes the folder first, say. Absent: it is there. */
  readonly remember?: (write: () => Promise<void>) => Promise<void>;
}

export interface KeyQuestion {
  readonly vendor: string;
  readonly owner: string;
  /** In groups of four. */
  readonly fingerprint: string;
  readonly source: string;
}

export interface KeyRing {
  /** Whether a signature could be good, by a key that the operator trusts. Throws TinderboxError `refused`. */
  judge(signature: Signature, source: string): Promise<JudgedSignature>;
  /** Whose signatures were judged good so far. */
  signers(): readonly { readonly fingerprint: string; readonly owner: string }[];
}

interface LoadedKey {
  readonly key: PublicKey;
  readonly vendorKey: VendorKey;
  readonly source: string;
}

/** Fetches nothing before the first signature. Each key is confirmed once, when a signature by it is seen first. */
export function createKeyRing(options: KeyRingOptions): KeyRing {
  let loading: Promise<readonly LoadedKey[]> | undefined;
  const confirmed = new Map<string, Promise<void>>();
  const signers = new Map<string, { readonly fingerprint: string; readonly owner: string }>();
  return {
    async judge(signature, source) {
      loading ??= loadKeys(options);
      const loaded = await loading;
      const judged = await judgeSignature(
        signature,
        loaded.map(({ key }) => key),
        source,
        options.rules,
      );
      const fingerprint = fingerprintOf(judged.key);
      const known = loaded.find(({ key }) => key === judged.key);
      if (known === undefined) throw new TypeError('a key that was not loaded');
      const asked = confirmed.get(fingerprint) ?? requireTrust(known, options);
      confirmed.set(fingerprint, asked);
      await asked;
      signers.set(fingerprint, { fingerprint, owner: known.vendorKey.owner });
      return judged;
    },
    signers: () => [...signers.values()],
  };
}

/** Each time anew where it can be: only so a sub-key of this year, or a revocation, is heard of. */
async function loadKeys({ vendor, assets, http, retry, keyFile, onNote }: KeyRingOptions) {
  const withSource = (keys: readonly PublicKey[], source: string): readonly LoadedKey[] =>
    keys.flatMap((key) => {
      const vendorKey = vendor.keys.find((one) => plainFingerprint(one.fingerprint) === fingerprintOf(key));
      return vendorKey === undefined ? [] : [{ key, vendorKey, source }];
    });
  if (vendor.keys.length === 0) {
    throw new TinderboxError('refused', `${vendor.name} has a signature, but no key of it is known`);
  }
  if (keyFile !== undefined) {
    return withSource(await readVendorKeys(keyFile, 'the file of --key', vendor.keys), 'the file of --key');
  }
  const loaded = new Map<string, LoadedKey>();
  let failure: unknown;
  for (const url of new Set(vendor.keys.map((one) => one.url))) {
    try {
      const bytes = await fetchSmall(http, url, { ...retry, tries: 2, most: MOST_KEY_BYTES });
      for (const one of withSource(await readVendorKeys(bytes, url, vendor.keys), url))
        loaded.set(fingerprintOf(one.key), one);
    } catch (thrown) {
      // Another key than the known one is no reason to look for it elsewhere.
      if (thrown instanceof TinderboxError && thrown.code === 'refused') throw thrown;
      failure = thrown;
    }
  }
  if (failure === undefined) return [...loaded.values()];
  for (const { fingerprint, armored } of await readTrustedKeys(assets)) {
    const wanted = vendor.keys.filter((one) => plainFingerprint(one.fingerprint) === fingerprint);
    if (loaded.has(fingerprint) || wanted.length === 0) continue;
    const source = 'its copy from an earlier pull';
    for (const one of withSource(await readVendorKeys(Buffer.from(armored), source, wanted), source))
      loaded.set(fingerprint, one);
  }
  for (const { file } of vendor.keys) {
    const bytes = file === undefined ? undefined : await readFile(file).catch(() => undefined);
    if (file === undefined || bytes === undefined) continue;
    const found = await readVendorKeys(bytes, file, vendor.keys).catch(() => []);
    for (const one of withSource(found, file))
      if (!loaded.has(fingerprintOf(one.key))) loaded.set(fingerprintOf(one.key), one);
  }
  if (loaded.size === 0) {
    const { message } = failure as Error;
    throw new TinderboxError('unavailable', `the key of ${vendor.name} cannot be fetched: ${message}`, {
      cause: failure,
      remedy: 'Get it on another machine, and name its file: --key FILE.',
    });
  }
  onNote(
    `the newest key of ${vendor.name} cannot be fetched; going on with ${[...new Set([...loaded.values()].map(({ source }) => source))].join(', ')}`,
  );
  return [...loaded.values()];
}

async function requireTrust({ key, vendorKey, source }: LoadedKey, options: KeyRingOptions): Promise<void> {
  const { assets, vendor, trust, confirm, rules } = options;
  const fingerprint = fingerprintOf(key);
  const known = (await readTrustedKeys(assets)).find((one) => one.fingerprint === fingerprint);
  const armored = key.armor();
  if (known?.armored === armored) return;
  const { owner } = vendorKey;
  if (known === undefined && !trust.map(plainFingerprint).includes(fingerprint)) {
    const spaced = spacedFingerprint(fingerprint);
    const question = { vendor: vendor.name, owner, fingerprint: spaced, source };
    if (confirm === undefined || !(await confirm(question))) {
      const other = trust.length === 0 ? '' : `, and --trust names ${trust.map(plainFingerprint).join(', ')}`;
      throw new TinderboxError('refused', `the key of ${owner} is not confirmed: ${spaced}${other}`, {
        remedy: `Compare it with what ${owner} publishes, then: --trust ${fingerprint}`,
      });
    }
  }
  const confirmedAt = known?.confirmedAt ?? rules.now.toISOString();
  const { remember = (write) => write() } = options;
  await remember(() => trustKey(assets, { fingerprint, vendor: vendor.name, owner, confirmedAt, armored }));
}
