import type { HttpSource } from './http-get.ts';
import type { KeyRing } from './key-ring.ts';
import type { RetryOptions } from './try-again.ts';
import type { ImageRequest, ImageVendor } from './vendor.ts';

export interface PullOptions {
  readonly vendor: ImageVendor;
  readonly request: ImageRequest;
  /** paths.assets; made if it is not there. */
  readonly assets: string;
  readonly http: HttpSource;
  readonly ring: KeyRing;
  /** Downloads at once. */
  readonly parallel: number;
  /** Checksums that nobody signed are taken over plain http, too. */
  readonly insecureChecksums: boolean;
  /** Only kept beside the others. */
  readonly keepBeside: boolean;
  readonly now: Date;
  readonly retry: RetryOptions;
  readonly onProgress: (event: PullEvent) => void;
}

export type PullEvent =
  | {
      readonly kind: 'plan';
      readonly version: string;
      readonly files: readonly { readonly name: string; readonly size?: number }[];
    }
  | {
      readonly kind: 'bytes';
      readonly name: string;
      readonly bytes: number;
      readonly total: number | undefined;
    }
  | { readonly kind: 'proving' | 'proven'; readonly name: string };
