/**
 * Run with the path of a small tmpfs that is mounted in a namespace of its own: opens authorities on it as it fills up, and
 * prints what happened as JSON.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { importAuthorities } from '../../../src/pki/import-authorities.ts';
import { open, smallKeys } from './make-cluster.ts';

const [disk = '', foreignFile = ''] = process.argv.slice(2);
const failures: Record<string, string> = {};
const attempt = async (label: string, job: () => Promise<unknown>): Promise<void> => {
  try {
    await job();
    failures[label] = 'worked';
  } catch (error) {
    failures[label] = (error as { code?: string }).code ?? String(error);
  }
};
const list = (): readonly string[] => readdirSync(disk, { recursive: true, encoding: 'utf8' }).sort();

// Three pages, for four files of one each.
execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=12k', 'none', disk]);
await attempt('first start, full', () => open(disk));
const afterFirst = list();
execFileSync('mount', ['-o', 'remount,size=256k', 'none', disk]);
await attempt('first start, room', () => open(disk));
const made = list();
const before = readFileSync(join(disk, 'pki/kubernetes.pem'), 'utf8');

const filler = join(disk, 'filler');
const { bavail, bsize } = statfsSync(disk);
// One page, for the former authority's file and the new one's.
writeFileSync(filler, Buffer.alloc((bavail - 1) * bsize));
const authorities = {
  kubernetes: { text: readFileSync(foreignFile, 'utf8'), file: foreignFile },
};
const importIt = () =>
  importAuthorities({
    folder: join(disk, 'pki'),
    authorities,
    replace: true,
    now: Date.now(),
    random: (count) => new Uint8Array(count),
    keys: smallKeys,
  });
await attempt('import, full', importIt);
unlinkSync(filler);
const afterImport = list();
const unchanged = readFileSync(join(disk, 'pki/kubernetes.pem'), 'utf8') === before;
await attempt('import, room', importIt);
await attempt('start after it', () => open(disk));
console.log(JSON.stringify({ failures, afterFirst, made, afterImport, unchanged }));
