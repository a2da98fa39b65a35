import { execFile } from 'node:child_process';
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { TinderboxError } from './errors.ts';
import { checkMetaData, checkNetworkConfig } from './render/check-nocloud-files.ts';
import { checkUserData } from './render/check-user-data.ts';
import { checkRenderedCloudConfig } from './render/render-cloud-config.ts';

/** What coreos-cloudinit looks for: the label of the volume, and the file on it. */
export const CONFIG_LABEL = 'config-2';
export const USER_DATA = 'openstack/latest/user_data';
export const META_DATA = 'openstack/latest/meta_data.json';
/** What cloud-init's datasource NoCloud looks for; its files are at the top, and these two must be there. */
export const CIDATA_LABEL = 'cidata';
export const CIDATA_USER_DATA = 'user-data';
export const CIDATA_META_DATA = 'meta-data';

/** By their paths on the image. */
export type IsoFiles = ReadonlyMap<string, string | Buffer>;

/** Configurations have kilobytes, certificates included. */
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_FILES = 1000;

const UNPACK =
  'Give the folder that an image was unpacked to: xorriso -osirrox on -indev node.iso -extract / FOLDER';

/** One time for every file and the volume: the same content is the same image. 2000-01-01. */
const SOURCE_DATE_EPOCH = '946684800';

/**
 * Writes an ISO 9660 image with Rock Ridge, for its owner alone. Replaces a file, and nothing but a file: a disk is
 * refused. Throws TinderboxError: `unavailable` without xorriso or room, `refused` where it may not write.
 */
export async function writeIso(out: string, files: IsoFiles): Promise<void> {
  const there = await lstat(out).catch(() => undefined);
  if (there !== undefined && !there.isFile()) {
    throw new TinderboxError('refused', `${out} is no regular file`, { remedy: 'Give the name of a file.' });
  }
  let staging: string | undefined;
  try {
    await mkdir(dirname(out), { recursive: true, mode: 0o700 });
    // Beside its place, and open to nobody else: what is in it may be a key.
    staging = await mkdtemp(join(dirname(out), '.tinderbox-iso-'));
    const tree = join(staging, 'tree');
    for (const [path, text] of files) {
      await mkdir(dirname(join(tree, path)), { recursive: true });
      await writeFile(join(tree, path), text, { mode: 0o600 });
    }
    const image = join(staging, 'image.iso');
    await runXorriso(tree, image, files.has(CIDATA_USER_DATA) ? CIDATA_LABEL : CONFIG_LABEL);
    await chmod(image, 0o600);
    await rename(image, out);
  } catch (thrown) {
    throw explain(thrown, out);
  } finally {
    if (staging !== undefined) await rm(staging, { recursive: true, force: true });
  }
}

async function runXorriso(tree: string, image: string, label: string): Promise<void> {
  // Everything is root's, and may be read: who may mount the image may read it anyway.
  const rights = ['-uid', '0', '-gid', '0', '-dir-mode', '0755', '-file-mode', '0644'];
  const dates = ['--set_all_file_dates', `=${SOURCE_DATE_EPOCH}`];
  const options = ['-rock', '-volid', label, '-input-charset', 'utf-8', ...rights, ...dates, '-quiet'];
  const command = ['xorriso', '-as', 'mkisofs', ...options, '-output', image, tree];
  await promisify(execFile)('env', [`SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH}`, 'LC_ALL=C.UTF-8', ...command], {
    timeout: 120_000,
  });
}

/**
 * A folder that an image was unpacked to, or that was written by hand: its files by their paths. Throws
 * `invalid-template` if its user_data (or user-data) is nothing that coreos-cloudinit (or cloud-init) would take, `refused` on links and the like.
 */
export async function readIsoFolder(folder: string): Promise<IsoFiles> {
  const files = new Map<string, Buffer>();
  let bytes = 0;
  const visit = async (place: string): Promise<void> => {
    for (const entry of await readdir(place, { withFileTypes: true }).catch(explainFolder(place))) {
      const path = join(place, entry.name);
      if (entry.isDirectory()) await visit(path);
      else if (!entry.isFile()) {
        throw new TinderboxError('refused', `${path} is no regular file`, { remedy: 'Leave it out.' });
      } else {
        bytes += (await stat(path)).size;
        if (bytes > MAX_BYTES || files.size >= MAX_FILES) {
          throw new TinderboxError('refused', `${folder} holds more than a configuration`, {
            remedy: `At most ${MAX_FILES} files and ${MAX_BYTES} bytes go on an image.`,
          });
        }
        files.set(relative(folder, path), await readFile(path));
      }
    }
  };
  await visit(folder);
  if (files.has(CIDATA_USER_DATA)) return checkCidata(folder, files);
  const userData = files.get(USER_DATA)?.toString('utf8');
  const file = join(folder, USER_DATA);
  if (userData === undefined) {
    throw new TinderboxError('not-found', `there is no ${file}`, {
      remedy: UNPACK,
    });
  }
  const problems = checkRenderedCloudConfig(userData, file);
  if (problems.length > 0) {
    throw new TinderboxError('invalid-template', `${file} is no sound cloud-config; no image was made`, {
      problems,
    });
  }
  return files;
}

function checkCidata(folder: string, files: ReadonlyMap<string, Buffer>): IsoFiles {
  const checks = {
    'user-data': checkUserData,
    'meta-data': checkMetaData,
    'network-config': checkNetworkConfig,
  };
  const problems = Object.entries(checks).flatMap(([name, check]) => {
    const text = files.get(name)?.toString('utf8');
    return text === undefined ? [] : check(text, join(folder, name));
  });
  if (!files.has(CIDATA_META_DATA)) {
    throw new TinderboxError('not-found', `there is no ${join(folder, CIDATA_META_DATA)}`, {
      remedy: 'cloud-init passes over a volume without it: write instance-id: NAME there.',
    });
  }
  if (problems.length === 0) return files;
  throw new TinderboxError(
    'invalid-template',
    `${folder} holds nothing that cloud-init would take; no image was made`,
    {
      problems,
    },
  );
}

const explainFolder =
  (folder: string) =>
  (thrown: unknown): never => {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT') {
      throw new TinderboxError('not-found', `there is no folder ${folder}`, {
        cause: thrown,
        remedy: UNPACK,
      });
    }
    if (code === 'ENOTDIR') {
      throw new TinderboxError('refused', `${folder} is no folder`, { cause: thrown, remedy: UNPACK });
    }
    throw thrown;
  };

function explain(thrown: unknown, out: string): unknown {
  if (thrown instanceof TinderboxError) return thrown;
  const { code, stderr } = thrown as { readonly code?: string | number; readonly stderr?: string };
  const fail = (kind: 'unavailable' | 'refused', message: string, remedy: string) =>
    new TinderboxError(kind, message, { cause: thrown, remedy });
  // env(1): the program was not found.
  if (code === 127) {
    return fail(
      'unavailable',
      'xorriso is not installed',
      'Install it: apt-get install xorriso (dnf install xorriso)',
    );
  }
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EEXIST') {
    return fail(
      'refused',
      `${out} cannot be written (${code})`,
      'Name a file that you may write: --out FILE.',
    );
  }
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return fail('unavailable', `${out}: the disk is full; nothing was changed`, 'Make room, then try again.');
  }
  if (stderr === undefined) return thrown;
  const said = stderr.trim().split('\n').slice(-3).join('; ');
  return fail('unavailable', `xorriso could not write ${out}: ${said}`, 'Nothing was changed.');
}
