import { createHash } from 'node:crypto';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findMirror } from '../../src/lab/find-mirror.ts';
import { keepBuilt } from '../../src/lab/keep-built.ts';
import { runProgram } from '../../src/lab/run-program.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const BUILDER = join(ROOT, 'examples/debian-live/build-image.sh');
const SUITE = 'bookworm';
/** For virtual machines, and not compressed to the last byte: it is booted here and nowhere else. */
const OPTIONS = ['--suite', SUITE, '--kernel', 'linux-image-cloud-amd64', '--quick'];
/** A shared processor takes its time: three minutes where it is quiet. */
const BUILD_TIMEOUT = 45 * 60_000;

/** Puts the image of the role debian-live into `folder`, built by the script that ships unless .cache has it already. */
export async function placeDebianLive(folder: string, log: (line: string) => void): Promise<void> {
  const script = await readFile(BUILDER);
  const key = createHash('sha256').update(script).update(OPTIONS.join(' ')).digest('hex').slice(0, 16);
  const image = join(ROOT, `.cache/debian-live-${key}`);
  await keepBuilt(image, async ({ result }) => {
    const site = await findMirror(SUITE);
    log('building the image of debian-live');
    const mirror = site === undefined ? [] : ['--mirror', site];
    await runProgram([BUILDER, ...OPTIONS, ...mirror, result], { timeout: BUILD_TIMEOUT });
  });
  await cp(image, folder, { recursive: true });
}
