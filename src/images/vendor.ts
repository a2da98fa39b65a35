import type { ConfigFormat } from '../machine/role.ts';

/** As vendors and Debian name processors. */
export const IMAGE_ARCHES = ['amd64', 'arm64'] as const;
export type ImageArch = (typeof IMAGE_ARCHES)[number];

/** What the operator asked for. */
export interface ImageRequest {
  /** One of the vendor's channels. */
  readonly channel: string;
  /** Absent: the newest of the channel. */
  readonly version?: string;
  readonly arch: ImageArch;
  /** Base URL without a trailing slash, with the vendor's own layout below it. */
  readonly mirror: string;
}

/** A key that the vendor signs with: known to us by its fingerprint only, which the operator confirms. */
export interface VendorKey {
  /** 40 (or, of a version 6 key, 64) upper-case hex digits, of the primary key. */
  readonly fingerprint: string;
  readonly owner: string;
  /** Where the vendor publishes it, armored or binary. */
  readonly url: string;
  /** Where Debian's packages have it, if they do. */
  readonly file?: string;
}

/** How a file is known to be the vendor's. Every one is also measured with SHA-512 for the image's own list. */
export type FileProof =
  /** A detached OpenPGP signature of the file itself. */
  | { readonly kind: 'signature'; readonly url: string }
  /** Lower-case hex. `from` names the list, which `VendorFetch.signed` proved or which came over HTTPS only. */
  | {
      readonly kind: 'checksum';
      readonly algorithm: 'sha256' | 'sha512';
      readonly hex: string;
      readonly from: string;
      readonly signed: boolean;
    }
  /**
   * Taken out of another file of the plan once that one is proven: `of` is its name, an ISO 9660 image, and `path` the
   * place in it (read-iso-file.ts). Its `url` is that of the image.
   */
  | { readonly kind: 'member'; readonly of: string; readonly path: string };

export interface ImageFile {
  /** Below the version's folder, as roles name it. */
  readonly name: string;
  readonly url: string;
  /** Bytes, where a list says so. */
  readonly size?: number;
  readonly proof: FileProof;
}

export interface ImagePlan {
  readonly version: string;
  readonly files: readonly ImageFile[];
  /** Small files that are written beside them, with LF at their ends: a `SHA256SUMS` that machines check what they fetch with. */
  readonly texts?: readonly { readonly name: string; readonly text: string }[];
}

/** Small texts of a mirror: bounded (4 MiB), with time-outs, redirects followed within bounds. Throws TinderboxError. */
export interface VendorFetch {
  /** Not proven by anything but HTTPS. */
  text(url: string): Promise<string>;
  /** The text, once its detached signature (or, without `signature`, its own clear-text signature) was proven. */
  signed(url: string, signature?: string): Promise<string>;
}

/** Whose images can be pulled. Everything about a vendor's layout is in its one file. */
export interface ImageVendor {
  /** As on the command line, and the image's folder below assets/ (with `-arm64` for that processor). */
  readonly name: string;
  readonly description: string;
  /** The first is the default. */
  readonly channels: readonly string[];
  readonly arches: readonly ImageArch[];
  readonly mirror: string;
  /** Empty: the vendor signs nothing that we can check, and says checksums only. */
  readonly keys: readonly VendorKey[];
  /** What configurations the image's system reads. */
  readonly formats: readonly ConfigFormat[];
  /** Finds the version and its files. Throws TinderboxError `not-found` (no such version or channel), `unavailable`, `refused` (a bad signature). */
  plan(request: ImageRequest, fetch: VendorFetch): Promise<ImagePlan>;
}
