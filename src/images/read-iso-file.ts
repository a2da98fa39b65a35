import { type FileHandle, open } from 'node:fs/promises';
import { TinderboxError } from '../errors.ts';

const SECTOR = 2048;
/** Volume descriptors begin here, after 32 KiB that belong to whoever boots the disc (ECMA-119 6.2.1). */
const FIRST_DESCRIPTOR = 16;
const MOST_DESCRIPTORS = 32;
/** Ubuntu's largest folder has some 4 KiB. */
const MOST_FOLDER = 1024 * 1024;
/** Of an initrd; the largest of a vendor has 100 MiB. */
const MOST_FILE = 1024 * 1024 * 1024;

interface Entry {
  readonly names: readonly string[];
  readonly block: number;
  readonly size: number;
  readonly isFolder: boolean;
  /** More than one part: beyond 4 GiB (ECMA-119 6.5.1). */
  readonly hasMore: boolean;
}

/**
 * Copies a file out of an ISO 9660 image, by its path (`casper/vmlinuz`): its Rock Ridge name, or the plain one, without
 * regard to case. Source: ECMA-119; IEEE P1281 and P1282 for the names. Throws TinderboxError `refused` where the image
 * is damaged or none, `not-found` where it has no such file.
 */
export async function takeFromIso(image: string, path: string, out: string): Promise<void> {
  await using handle = await open(image, 'r');
  const { size: imageSize } = await handle.stat();
  let entry = await readRoot(handle, image);
  for (const name of path.split('/')) {
    const folder = await readBlocks(handle, entry, image, imageSize);
    const found = entry.isFolder
      ? entriesOf(folder).find(({ names }) => names.some((one) => one.toLowerCase() === name.toLowerCase()))
      : undefined;
    if (found === undefined) {
      throw new TinderboxError('not-found', `${image} has no ${path}`, {
        remedy: 'It is not the image that it should be: another version of it has other files.',
      });
    }
    entry = found;
  }
  if (entry.isFolder || entry.hasMore || entry.size === 0 || entry.size > MOST_FILE) {
    throw damaged(image, `${path} is no file of up to ${MOST_FILE} bytes`);
  }
  const start = entry.block * SECTOR;
  await using target = await open(out, 'w', 0o644);
  const buffer = Buffer.alloc(1024 * 1024);
  for (let done = 0; done < entry.size; ) {
    const { bytesRead } = await handle.read(
      buffer,
      0,
      Math.min(buffer.length, entry.size - done),
      start + done,
    );
    if (bytesRead === 0) throw damaged(image, `${path} ends early`);
    await target.writeFile(buffer.subarray(0, bytesRead));
    done += bytesRead;
  }
  await target.sync();
}

/** Of the primary volume descriptor: bytes 156 to 189 are the root folder's own record (ECMA-119 8.4). */
async function readRoot(handle: FileHandle, image: string): Promise<Entry> {
  const sector = Buffer.alloc(SECTOR);
  for (let index = 0; index < MOST_DESCRIPTORS; index += 1) {
    const { bytesRead } = await handle.read(sector, 0, SECTOR, (FIRST_DESCRIPTOR + index) * SECTOR);
    const type = sector[0];
    if (bytesRead < SECTOR || sector.toString('latin1', 1, 6) !== 'CD001' || type === 255) break;
    if (type !== 1) continue;
    if (sector.readUInt16LE(128) !== SECTOR) throw damaged(image, 'blocks of another size than 2048');
    const root = readRecord(sector.subarray(156, 190));
    if (root?.isFolder === true) return root;
  }
  throw damaged(image, 'no ISO 9660 volume in it');
}

async function readBlocks(
  handle: FileHandle,
  entry: Entry,
  image: string,
  imageSize: number,
): Promise<Buffer> {
  if (entry.size > MOST_FOLDER || entry.block * SECTOR + entry.size > imageSize) {
    throw damaged(image, 'a folder that is too large');
  }
  const folder = Buffer.alloc(entry.size);
  await handle.read(folder, 0, folder.length, entry.block * SECTOR);
  return folder;
}

/** Records do not cross sectors: a length of 0 means that the rest of one is empty (ECMA-119 6.8.1.1). */
function entriesOf(folder: Buffer): readonly Entry[] {
  const entries: Entry[] = [];
  for (let offset = 0; offset < folder.length; ) {
    const length = folder[offset] ?? 0;
    if (length === 0) {
      offset = (Math.floor(offset / SECTOR) + 1) * SECTOR;
      continue;
    }
    const entry = readRecord(folder.subarray(offset, offset + length));
    if (entry !== undefined) entries.push(entry);
    offset += length;
  }
  return entries;
}

/**
 * A directory record (ECMA-119 9.1): its length, the block at 2, the size at 10 (both as little endian first), flags at
 * 25, the name with its length at 32, padded to an even place, then what Rock Ridge adds.
 */
function readRecord(record: Buffer): Entry | undefined {
  const nameLength = record[32] ?? 0;
  if (record.length < 34 || 33 + nameLength > record.length) return undefined;
  const flags = record[25] ?? 0;
  const plain = record.toString('latin1', 33, 33 + nameLength).replace(/\.?;\d+$/, '');
  const rest = record.subarray(33 + nameLength + (nameLength % 2 === 0 ? 1 : 0));
  const rockRidge = readRockRidgeName(rest);
  return {
    names: rockRidge === '' ? [plain] : [rockRidge, plain],
    block: record.readUInt32LE(2),
    size: record.readUInt32LE(10),
    isFolder: (flags & 2) !== 0,
    hasMore: (flags & 0x80) !== 0,
  };
}

/** The parts of its `NM` fields: signature, length, version, flags, name (IEEE P1282 4.1.4). */
function readRockRidgeName(area: Buffer): string {
  let name = '';
  for (let offset = 0; offset + 4 <= area.length; ) {
    const length = area[offset + 2] ?? 0;
    if (length < 4) break;
    if (area.toString('latin1', offset, offset + 2) === 'NM') {
      name += area.toString('utf8', offset + 5, offset + length);
    }
    offset += length;
  }
  return name;
}

function damaged(image: string, problem: string): TinderboxError {
  return new TinderboxError('refused', `${image} is no image that can be read: ${problem}`, {
    remedy: 'Remove it, then pull it again.',
  });
}
