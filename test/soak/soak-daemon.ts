import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type NetworkNamespace, stopProcess } from '../../src/lab/namespace.ts';
import { runProgram } from '../../src/lab/run-program.ts';

const TINDERBOX = fileURLToPath(new URL('../../bin/tinderbox', import.meta.url));
/** Milliseconds. A start takes one second; a loaded machine gets its time. */
const START_LIMIT = 60_000;
const TAIL = 200;

export interface LogLine {
  readonly level: number;
  readonly time: number;
  readonly part: string;
  readonly msg: string;
}

/** One life of the daemon. */
export interface Life {
  readonly pid: number;
  readonly number: number;
  /** When it was ready. */
  readonly readyAt: number;
  signal(name: NodeJS.Signals): void;
  /** Its exit code; null after a signal. */
  readonly ended: Promise<number | null>;
}

/** A folder of files whose state lies on a small disk of its own, and the daemon that works on it. */
export interface SoakDaemon extends AsyncDisposable {
  readonly folder: string;
  readonly socket: string;
  /** The state's folder as this process sees it. */
  readonly state: string;
  /** Whole or not at all, as editors and packages do it. */
  replace(name: string, content: string | Uint8Array): Promise<void>;
  /** Resolves when it is ready; rejects with the end of its log if it ends instead. */
  start(): Promise<Life>;
  /** Runs `tinderbox …` beside it; throws with what it said if it fails. */
  run(...args: readonly string[]): Promise<string>;
  /** The last lines of its log. */
  tail(): readonly string[];
}

/**
 * `diskBytes` is the size of the disk. It is mounted in a namespace of its own, which ends with the process that holds
 * it, however that ends: nothing stays mounted.
 */
export async function createSoakDaemon(options: {
  readonly namespace: NetworkNamespace;
  readonly diskBytes: number;
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  readonly onLine: (line: LogLine) => void;
}): Promise<SoakDaemon> {
  const { namespace, diskBytes, files, onLine } = options;
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-soak-'));
  const replace: SoakDaemon['replace'] = async (name, content) => {
    const file = join(folder, name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.new`, content);
    await rename(`${file}.new`, file);
  };
  for (const [name, content] of Object.entries(files)) await replace(name, content);
  await mkdir(join(folder, 'var'));
  const mount = `mount -t tmpfs -o size=${diskBytes},mode=0700 none "$1" && echo ready && exec cat`;
  const argv = ['--mount', '--propagation', 'private', '--', 'sh', '-c', mount, 'sh', join(folder, 'var')];
  const disk = spawn('unshare', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(disk.stdout, 'data');
  const enter = (command: readonly string[]): readonly string[] => [
    'nsenter',
    `--net=/proc/${namespace.pid}/ns/net`,
    `--mount=/proc/${disk.pid}/ns/mnt`,
    '--',
    'setpriv',
    '--pdeathsig',
    'KILL',
    '--',
    ...command,
  ];
  const config = ['--config', join(folder, 'tinderbox.yaml')];
  const tail: string[] = [];
  let child: ChildProcess | undefined;
  let lives = 0;
  const keep = (text: string): void => {
    tail.push(text);
    if (tail.length > TAIL) tail.shift();
  };

  async function start(): Promise<Life> {
    const [program = '', ...args] = enter(['env', '-u', 'NODE_OPTIONS', TINDERBOX, 'serve', ...config]);
    const started = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    child = started;
    const ready = Promise.withResolvers<number>();
    createInterface({ input: started.stdout }).on('line', (text) => {
      keep(text);
      if (!text.startsWith('{')) return;
      const line = JSON.parse(text) as LogLine;
      if (line.part === 'daemon' && line.msg === 'ready') ready.resolve(Date.now());
      onLine(line);
    });
    createInterface({ input: started.stderr }).on('line', keep);
    const ended = once(started, 'close').then(() => started.exitCode);
    void ended.then(() =>
      ready.reject(new Error(`the daemon ended at its start: ${tail.slice(-10).join('\n')}`)),
    );
    const late = setTimeout(() => ready.reject(new Error('the daemon does not become ready')), START_LIMIT);
    const readyAt = await ready.promise.finally(() => clearTimeout(late));
    return {
      pid: started.pid ?? 0,
      number: ++lives,
      readyAt,
      signal: (name) => void started.kill(name),
      ended,
    };
  }

  return {
    folder,
    socket: join(folder, 'admin.sock'),
    state: `/proc/${disk.pid}/root${join(folder, 'var')}`,
    replace,
    start,
    run: (...args) =>
      runProgram(enter(['env', '-u', 'NODE_OPTIONS', TINDERBOX, ...args, ...config]), { timeout: 60_000 }),
    tail: () => tail,
    async [Symbol.asyncDispose]() {
      if (child !== undefined) await stopProcess(child);
      await stopProcess(disk);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
