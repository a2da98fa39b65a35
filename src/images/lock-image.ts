import { randomUUID } from 'node:crypto';
import { open, readFile, readlink, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { TinderboxError } from '../errors.ts';

const LOCK_FILE = '.lock';
/** Who holds it says so every so often; who has said nothing for so long, and cannot be looked for, is gone. */
const HEARTBEAT = 10_000;
const STALE_AFTER = 60_000;

interface Holder {
  readonly pid: number;
  /** Clock ticks after boot: a process of the same number that started later is another one. */
  readonly started: string;
  /** The host's boot and its process table: elsewhere a number means another process. */
  readonly where: string;
  readonly id: string;
}

/**
 * Holds an image's folder for a change. One that a killed process left is taken over at once. Throws TinderboxError
 * `busy` while another one holds it.
 */
export async function lockImage(folder: string): Promise<AsyncDisposable> {
  const file = join(folder, LOCK_FILE);
  const own: Holder = {
    pid: process.pid,
    started: (await startOf(process.pid)) ?? '',
    where: await whereIsThis(),
    id: randomUUID(),
  };
  for (let attempt = 0; !(await create(file, own)); attempt++) {
    const holder = await readHolder(file);
    if (attempt < 3 && (await isStale(file, holder, own.where))) {
      await setAside(file, holder);
      continue;
    }
    const who = holder === undefined ? '' : ` (process ${holder.pid})`;
    throw new TinderboxError('busy', `another command works on ${folder}${who}`, {
      remedy: `Wait for it, then try again; remove ${file} if there is none.`,
    });
  }
  const beat = setInterval(() => {
    const now = new Date();
    utimes(file, now, now).catch(() => undefined);
  }, HEARTBEAT).unref();
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(beat);
      if ((await readHolder(file))?.id === own.id) await rm(file, { force: true });
    },
  };
}

async function create(file: string, own: Holder): Promise<boolean> {
  try {
    await using handle = await open(file, 'wx', 0o644);
    await handle.writeFile(JSON.stringify(own));
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  }
}

async function readHolder(file: string): Promise<Holder | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Holder;
  } catch {
    // Gone, or not written yet.
    return undefined;
  }
}

async function isStale(file: string, holder: Holder | undefined, here: string): Promise<boolean> {
  if (holder !== undefined && holder.where === here) {
    return (await startOf(holder.pid)) !== holder.started;
  }
  const found = await stat(file).catch(() => undefined);
  // Whichever way: one from before the clock was set back would stand for ever.
  return found === undefined || Math.abs(Date.now() - found.mtimeMs) > STALE_AFTER;
}

/** Of two that find the same old lock, the slower one must not take away the new one of the faster. */
async function setAside(file: string, holder: Holder | undefined): Promise<void> {
  const aside = `${file}.${randomUUID()}`;
  try {
    await rename(file, aside);
    const taken = await readHolder(aside);
    if (taken?.id !== holder?.id) await rename(aside, file);
  } catch {
    // Another one was faster.
  } finally {
    await rm(aside, { force: true });
  }
}

/** The 22nd field of proc(5)'s stat; its second one, in brackets, may hold anything. */
async function startOf(pid: number): Promise<string | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  return text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
}

async function whereIsThis(): Promise<string> {
  const [boot, table] = await Promise.all([
    readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => ''),
    readlink('/proc/self/ns/pid').catch(() => ''),
  ]);
  return `${boot.trim()} ${table}`;
}
