import { fetchSmall } from './fetch-small.ts';
import type { HttpSource } from './http-get.ts';
import { parseSignature } from './judge-signature.ts';
import type { KeyRing } from './key-ring.ts';
import type { RetryOptions } from './try-again.ts';
import type { VendorFetch } from './vendor.ts';
import { verifyClearText, verifyText } from './verify-signature.ts';

export interface VendorFetchOptions {
  readonly http: HttpSource;
  readonly ring: KeyRing;
  readonly retry: RetryOptions;
}

/** Remembers what was taken without a signature, for whoever wants to know over what it came. */
export function createVendorFetch({
  http,
  ring,
  retry,
}: VendorFetchOptions): VendorFetch & { readonly unsigned: () => readonly string[] } {
  const unsigned = new Set<string>();
  return {
    async text(url) {
      unsigned.add(url);
      return (await fetchSmall(http, url, retry)).toString();
    },
    async signed(url, signatureUrl) {
      const bytes = await fetchSmall(http, url, retry);
      if (signatureUrl === undefined) {
        return verifyClearText(bytes.toString(), url, (signature) => ring.judge(signature, url));
      }
      const signature = await parseSignature(await fetchSmall(http, signatureUrl, retry), url);
      await verifyText(bytes, signature, await ring.judge(signature, url), url);
      return bytes.toString();
    },
    unsigned: () => [...unsigned],
  };
}
