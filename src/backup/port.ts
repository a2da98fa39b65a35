/** The version of the format that this program writes; it reads all up to it. */
export const BACKUP_FORMAT = 1;

/** Characters; below that a passphrase is guessed, however slow a guess is made. */
export const MIN_PASSPHRASE = 12;

/** `tinderbox-backup.json`, the first entry: enough to refuse a backup before the rest is read. */
export interface BackupAbout {
  readonly format: number;
  /** Random: names this backup. */
  readonly id: string;
  /** Version of the program that made it. */
  readonly tinderbox: string;
  /** ISO 8601, UTC. */
  readonly createdAt: string;
  readonly host: string;
}

export interface BackupOwner {
  readonly user: string;
  readonly group: string;
}

export interface BackupFile {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link';
  readonly mode: number;
  readonly size: number;
  /** Of links. */
  readonly target?: string;
  /** Hexadecimal; of files. */
  readonly sha256?: string;
}

/** `manifest.json`, the last entry: without it a backup is not whole. */
export interface BackupManifest extends BackupAbout {
  /** Of the database. */
  readonly schema: number;
  /** Where the configuration was. */
  readonly configFile: string;
  readonly owners: {
    readonly config: BackupOwner;
    readonly profiles: BackupOwner;
    readonly state: BackupOwner;
  };
  readonly files: readonly BackupFile[];
  /** The sealed entry, and what is in it; absent: left out, or there is nothing secret. */
  readonly secrets?: BackupFile & { readonly holds: readonly string[] };
}

/** What is written besides the manifest, in order. */
export interface BackupItem {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'link';
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly mtime: number;
  readonly target?: string;
  readonly content?: Uint8Array | { readonly size: number; readonly chunks: AsyncIterable<Uint8Array> };
}

export const ENTRY = {
  about: 'tinderbox-backup.json',
  config: 'tinderbox.yaml',
  profiles: 'profiles',
  database: 'state/tinderbox.db',
  assets: 'assets.json',
  secrets: 'secrets.enc',
  manifest: 'manifest.json',
} as const;

/** Path in the sealed entry → content. */
export type SecretFiles = ReadonlyMap<string, Uint8Array>;
