import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import { BACKUP_FORMAT, type BackupAbout, type BackupManifest, ENTRY } from './port.ts';
import { readTar, type TarEntry } from './read-tar.ts';

/** What is kept in memory of one entry: a configuration, a manifest, keys. */
const MAX_SMALL = 16 * 1024 * 1024;
/** A folder of profiles with more is none: names cost memory, and compress to nothing. */
const MAX_ENTRIES = 100_000;
const NAME = /^(tinderbox\.yaml|assets\.json|state\/tinderbox\.db|profiles(\/[^/\0]+)*)$/u;

export interface VerifiedBackup {
  readonly manifest: BackupManifest;
  readonly config: Buffer;
  /** As sealed. */
  readonly secrets?: Buffer;
}

/**
 * Reads a backup from end to end and compares all of it with its manifest; writes nothing. Throws TinderboxError
 * `refused` for a newer format, `invalid-config` where it is damaged or no backup, `not-found`.
 */
export async function verifyBackup(file: string): Promise<VerifiedBackup> {
  try {
    return await verify(file);
  } catch (thrown) {
    throw explain(file, thrown);
  }
}

async function verify(file: string): Promise<VerifiedBackup> {
  const found = new Map<string, Pick<TarEntry, 'size' | 'kind' | 'target'> & { readonly sha256: string }>();
  const small = new Map<string, Buffer>();
  for await (const entry of entriesOf(file)) {
    const hash = createHash('sha256');
    const keep: Buffer[] = [];
    const isSmall = (SMALL as readonly string[]).includes(entry.name);
    if (isSmall && entry.size > MAX_SMALL) throw damaged(file, `${entry.name} is too large`);
    for await (const chunk of entry.content) {
      hash.update(chunk);
      if (isSmall) keep.push(chunk);
    }
    const name = entry.name.replace(/\/$/, '');
    if (found.has(name)) throw damaged(file, `${JSON.stringify(name)} is there twice`);
    if (found.size >= MAX_ENTRIES) throw damaged(file, `it holds more than ${MAX_ENTRIES} entries`);
    const { size, kind, target } = entry;
    found.set(name, { size, kind, ...(target === undefined ? {} : { target }), sha256: hash.digest('hex') });
    if (isSmall) small.set(name, Buffer.concat(keep));
    if (found.size === 1) {
      const about = parse(file, small.get(ENTRY.about)) as BackupAbout;
      refuseUnprintable(file, about);
      refuseNewerFormat(file, about);
    }
  }
  const manifest = parse(file, small.get(ENTRY.manifest)) as BackupManifest;
  const about = parse(file, small.get(ENTRY.about)) as BackupAbout;
  for (const key of Object.keys(about) as (keyof BackupAbout)[])
    if (manifest[key] !== about[key]) throw damaged(file, `${ENTRY.about} and ${ENTRY.manifest} differ`);
  const listed = [...manifest.files, ...(manifest.secrets === undefined ? [] : [manifest.secrets])];
  for (const { name, kind, size, target, sha256 } of listed) {
    const is = found.get(name);
    if (name !== ENTRY.secrets && !isSafeName(name)) throw damaged(file, `it names ${JSON.stringify(name)}`);
    if (is === undefined) throw damaged(file, `${printable(name)} is missing`);
    if (
      is.kind !== kind ||
      is.size !== size ||
      is.target !== target ||
      (kind === 'file' && is.sha256 !== sha256)
    )
      throw damaged(file, `${printable(name)} is not what it was (its checksum differs)`);
  }
  const expected = new Set([...listed.map(({ name }) => name), ENTRY.about, ENTRY.manifest]);
  for (const name of found.keys())
    if (!expected.has(name)) throw damaged(file, `it holds ${JSON.stringify(name)} besides`);
  const config = small.get(ENTRY.config);
  if (config === undefined) throw damaged(file, `${ENTRY.config} is missing`);
  const secrets = small.get(ENTRY.secrets);
  return { manifest, config, ...(secrets === undefined ? {} : { secrets }) };
}

const SMALL = [ENTRY.about, ENTRY.manifest, ENTRY.config, ENTRY.secrets] as const;

/** Its entries. Throws what node:fs, node:zlib and readTar throw. */
export async function* entriesOf(file: string): AsyncGenerator<TarEntry> {
  const source = createReadStream(file);
  const unpacked = createGunzip();
  source.once('error', (error) => unpacked.destroy(error));
  try {
    yield* readTar(source.pipe(unpacked));
  } finally {
    source.destroy();
    unpacked.destroy();
  }
}

function explain(file: string, thrown: unknown): TinderboxError {
  if (thrown instanceof TinderboxError) return thrown;
  const { code, message } = toTinderboxError(thrown);
  // What the system says of the file; all else is what is in it.
  if ((thrown as NodeJS.ErrnoException).syscall !== undefined)
    return new TinderboxError(code, `${file} cannot be read: ${message}`, { cause: thrown });
  return damaged(file, message, thrown);
}

function isSafeName(name: string): boolean {
  return NAME.test(name) && !name.split('/').some((part) => part === '.' || part === '..');
}

/** Who made it, and where, is told on a terminal: a backup by a stranger must not write there what it likes. */
function refuseUnprintable(file: string, about: BackupAbout): void {
  for (const key of ['tinderbox', 'createdAt', 'host', 'id'] as const)
    if (!/^[\x20-\x7e]{1,256}$/.test(about[key])) throw damaged(file, `its ${key} is none`);
}

const printable = (name: string): string => (/\p{Cc}/u.test(name) ? JSON.stringify(name) : name);

function refuseNewerFormat(file: string, { format, tinderbox }: BackupAbout): void {
  if (typeof format === 'number' && format <= BACKUP_FORMAT) return;
  throw new TinderboxError(
    'refused',
    `${file} was made by Tinderbox ${tinderbox} in format ${format}; this program reads formats up to ${BACKUP_FORMAT}`,
    { remedy: `Install Tinderbox ${tinderbox} or a newer one, then restore.` },
  );
}

function parse(file: string, bytes: Buffer | undefined): object {
  if (bytes === undefined) throw damaged(file, 'it is no backup, or its end is missing');
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Said below.
  }
  throw damaged(file, 'its manifest cannot be read');
}

function damaged(file: string, why: string, cause?: unknown): TinderboxError {
  return new TinderboxError('invalid-config', `${file} is no sound backup: ${why}`, {
    remedy: 'Nothing was changed. Take another backup, or fetch this one again from where it is kept.',
    ...(cause === undefined ? {} : { cause }),
  });
}
