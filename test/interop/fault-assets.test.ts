import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { DISTRIBUTION_FOLDERS } from '../../src/servers/tftp-files.ts';
import { CONFIG, createSite } from './support/daemon-site.ts';
import { createLab } from './support/dhcp-lab.ts';

const DOWNLOAD = fileURLToPath(new URL('support/download-many.ts', import.meta.url));
const ROUNDS = process.env['TINDERBOX_FULL'] === '1' ? 300 : 12;
const SIZE = 300_000;
const NAME = 'snponly.efi';
const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

await using lab = await createLab();
const client = await lab.addClient('10.77.0.3/24');

const ways: Readonly<Record<string, (file: string, bytes: Uint8Array) => void>> = {
  // As `cp` does it; one write, so that nobody can find half of it for longer than a write takes.
  'truncated and rewritten': (file, bytes) => writeFileSync(file, bytes),
  'rewritten where it lies': (file, bytes) => {
    const handle = openSync(file, 'r+');
    for (let at = 0; at < bytes.length; at += 64 * 1024)
      writeSync(handle, bytes, at, Math.min(64 * 1024, bytes.length - at), at);
    closeSync(handle);
  },
  'renamed over': (file, bytes) => {
    writeFileSync(`${file}.new`, bytes);
    renameSync(`${file}.new`, file);
  },
  'deleted and made anew': (file, bytes) => {
    rmSync(file);
    writeFileSync(`${file}.new`, bytes);
    renameSync(`${file}.new`, file);
  },
};

async function distributionFiles(): Promise<readonly Uint8Array[]> {
  const found = await Promise.allSettled(DISTRIBUTION_FOLDERS.map((folder) => readFile(join(folder, NAME))));
  return found.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
}

async function replaceUnderDownloads(t: Test, cacheBytes: string) {
  await using site = await createSite(lab.network.namespace, {
    'tinderbox.yaml': `${CONFIG}http: { cacheBytes: ${cacheBytes} }\n`,
  });
  const file = join(site.folder, 'assets/ipxe', NAME);
  mkdirSync(join(site.folder, 'assets/ipxe'));
  // By this machine, which is busy: then half a file may have lain there for long.
  let heldUp = false;
  // What somebody finds between truncating and writing is a version, too; and while there is none, the distribution's.
  const versions = new Set([new Uint8Array(), ...(await distributionFiles())].map(hashOf));
  const replace = (way: (path: string, bytes: Uint8Array) => void): void => {
    const bytes = randomBytes(SIZE);
    versions.add(hashOf(bytes));
    const began = performance.now();
    way(file, bytes);
    heldUp ||= performance.now() - began > HELD_UP;
  };
  replace((path, bytes) => writeFileSync(path, bytes));
  const daemon = await site.serve();
  const argv = [process.execPath, DOWNLOAD, `http://10.77.0.1/assets/ipxe/${NAME}`, NAME];
  const child = client.spawn(argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => void (output += chunk.toString('utf8')));
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  for (let round = 0; round < ROUNDS; round++) {
    for (const way of Object.values(ways)) {
      replace(way);
      // Sometimes at once, sometimes after what was written has settled.
      await delay(round % 4 === 0 ? 250 : round % 2 === 0 ? 3 : 40);
    }
  }
  await delay(1000);
  const closed = once(child, 'close');
  child.kill('SIGTERM');
  await closed;
  const results = output
    .trim()
    .split('\n')
    .map((line) => line.split(' '));
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
  return { results, versions, heldUp };
}

/** What lies half-written for longer than 100 ms is taken for whole. In ms, with room for the clock's ticks. */
const HELD_UP = 50;
const ATTEMPTS = 5;

for (const [kind, cacheBytes] of [
  ['from memory', '64MB'],
  ['from disk', '0MB'],
] as const) {
  await t.test(
    `a file that is replaced while it is downloaded is one whole version or an error (${kind})`,
    async (t) => {
      const isMixed = ({ results, versions }: Awaited<ReturnType<typeof replaceUnderDownloads>>): boolean =>
        results.some(([, hash = '']) => hash !== 'error' && !versions.has(hash));
      let last = await replaceUnderDownloads(t, cacheBytes);
      for (let again = 1; again < ATTEMPTS && last.heldUp && isMixed(last); again++)
        last = await replaceUnderDownloads(t, cacheBytes);
      const { results, versions } = last;
      for (const way of ['http', 'range', 'tftp']) {
        const got = results.filter(([by]) => by === way).map(([, hash]) => hash ?? '');
        const good = got.filter((hash) => hash !== 'error');
        t.ok(good.length > 5, `${way}: ${good.length} whole`);
        t.same(
          good.filter((hash) => !versions.has(hash)),
          [],
          `${way}: none is a mix`,
        );
        t.comment(
          `assets replaced ${versions.size} times, ${kind}, ${way}: ${good.length} whole, ${got.length - good.length} errors, 0 mixed; away 0 ms`,
        );
      }
    },
  );
}
