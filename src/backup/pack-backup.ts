import { createHash } from 'node:crypto';
import {
  type BackupAbout,
  type BackupFile,
  type BackupItem,
  type BackupManifest,
  ENTRY,
  type SecretFiles,
} from './port.ts';
import { sealSecrets } from './seal-secrets.ts';
import { BLOCK, encodeTarHeader, paddingOf } from './tar-header.ts';

export interface PackOptions {
  readonly about: BackupAbout;
  /** What the manifest says besides; called when all items were read, since the database tells its schema then. */
  readonly facts: () => Pick<BackupManifest, 'schema' | 'configFile' | 'owners'>;
  readonly items: AsyncIterable<BackupItem>;
  /** Undefined: nothing is sealed. */
  readonly secrets?: { readonly files: SecretFiles; readonly passphrase: string };
  /** Seconds since the epoch: of what is made here. */
  readonly now: number;
}

/**
 * The bytes of a backup before compression: a tar archive whose last entry says what must be in it. Returns the manifest.
 * Throws an Error if an item holds other than it said.
 */
export async function* packBackup(options: PackOptions): AsyncGenerator<Uint8Array, BackupManifest> {
  const { about, facts, items, secrets, now } = options;
  const files: BackupFile[] = [];
  const made = (name: string, content: Uint8Array): BackupItem => ({
    name,
    kind: 'file',
    mode: 0o600,
    mtime: now,
    content,
  });
  yield* packItem(made(ENTRY.about, jsonOf(about)));
  for await (const item of items) files.push(yield* packItem(item));
  const core = { ...about, ...facts(), files };
  let manifest: BackupManifest = core;
  if (secrets !== undefined) {
    const plain = encodeSecrets(secrets.files);
    const sealed = await sealSecrets(plain, secrets.passphrase, contextOf(core));
    const file = yield* packItem(made(ENTRY.secrets, sealed));
    manifest = { ...core, secrets: { ...file, holds: [...secrets.files.keys()] } };
  }
  yield* packItem(made(ENTRY.manifest, jsonOf(manifest)));
  // Two empty blocks end a tar archive.
  yield Buffer.alloc(2 * BLOCK);
  return manifest;
}

/** What is sealed opens beside this manifest only, so that nobody without the passphrase can exchange the rest. */
export function contextOf(manifest: BackupManifest): Buffer {
  const { secrets: _, ...core } = manifest;
  return createHash('sha256').update(JSON.stringify(core)).digest();
}

async function* packItem(item: BackupItem): AsyncGenerator<Uint8Array, BackupFile> {
  const { name, kind, mode, mtime, target, content = Buffer.alloc(0) } = item;
  const { size, chunks } =
    content instanceof Uint8Array ? { size: content.length, chunks: [content] } : content;
  const tarName = kind === 'folder' ? `${name}/` : name;
  yield encodeTarHeader({
    name: tarName,
    kind,
    mode,
    size,
    mtime,
    ...(target === undefined ? {} : { target }),
  });
  const hash = createHash('sha256');
  let seen = 0;
  for await (const chunk of chunks) {
    seen += chunk.length;
    hash.update(chunk);
    yield chunk;
  }
  if (seen !== size) throw new Error(`${name} has ${seen} bytes instead of ${size}`);
  yield Buffer.alloc(paddingOf(size));
  return {
    name,
    kind,
    mode,
    size,
    ...(target === undefined ? {} : { target }),
    ...(kind === 'file' ? { sha256: hash.digest('hex') } : {}),
  };
}

function jsonOf(value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
}

export function encodeSecrets(files: SecretFiles): Buffer {
  return Buffer.from(
    JSON.stringify(
      Object.fromEntries([...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')])),
    ),
  );
}

export function decodeSecrets(plain: Buffer): SecretFiles {
  const parsed = JSON.parse(plain.toString('utf8')) as Readonly<Record<string, string>>;
  return new Map(Object.entries(parsed).map(([name, text]) => [name, Buffer.from(text, 'base64')]));
}
