import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { NetworkNamespace } from '../../../src/lab/namespace.ts';
import { stopProcess } from '../../../src/lab/namespace.ts';

const TINDERBOX = fileURLToPath(new URL('../../../bin/tinderbox', import.meta.url));

/** What a program printed and how it ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One line of the daemon's log. */
export interface LogLine {
  readonly level: number;
  readonly time: number;
  readonly part: string;
  readonly msg: string;
}

export interface Daemon {
  readonly pid: number;
  log(): string;
  lines(): readonly LogLine[];
  signal(name: NodeJS.Signals): void;
  /** Resolves when the process is gone. */
  readonly ended: Promise<Ended>;
}

/** A folder with tinderbox.yaml, profiles/ and assets/, and the programs that work on it in a namespace. */
export interface Site extends AsyncDisposable {
  readonly folder: string;
  /** Text, or undefined to remove. Written whole, as editors do. */
  write(files: Readonly<Record<string, string | Uint8Array | undefined>>): Promise<void>;
  /** Runs `tinderbox …` beside the daemon, to its end. */
  run(...args: readonly string[]): Promise<Ended>;
  /** Starts `serve` without waiting for it. */
  launch(...args: readonly string[]): Daemon;
  /** Starts `serve` and waits until it says that it is ready; throws with its log if it ends instead. */
  serve(...args: readonly string[]): Promise<Daemon>;
}

export const ROLE = `description: A machine of a test
boot:
  kernel: /assets/vmlinuz
  initrd: [/assets/initrd.gz]
  cmdline: ['cloud-config-url={{configUrl}}', 'tinderbox.report={{reportUrl}}', console=ttyS0]
config: { format: cloud-config, template: cloud-config.yaml.hbs }
`;
export const TEMPLATE = `#cloud-config
hostname: {{machine.hostname}}
write_files:
  - path: /etc/role
    content: {{role}} {{machine.mac}}
`;
export const CONFIG =
  'network: { interface: br0 }\ndhcp: { mode: server, probe: off, range: 10.77.0.100-10.77.0.199 }\n';

/** What every test starts from; a test says what is different. */
export const SOUND_FILES: Readonly<Record<string, string | Uint8Array>> = {
  'tinderbox.yaml': CONFIG,
  'profiles/machines.yaml': 'default: worker\n',
  'profiles/worker/role.yaml': ROLE,
  'profiles/worker/cloud-config.yaml.hbs': TEMPLATE,
  'assets/vmlinuz': new Uint8Array(200_000).fill(1),
  'assets/initrd.gz': new Uint8Array(500_000).fill(2),
};

/** Milliseconds: a start takes about one second; a loaded machine gets its time. */
const START_LIMIT = 30_000;

export async function createSite(
  namespace: NetworkNamespace,
  files: Readonly<Record<string, string | Uint8Array | undefined>> = {},
  /** Programs in front of the daemon's, which replace themselves by it. */
  wrap: readonly string[] = [],
): Promise<Site> {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-site-'));
  const daemons = new Set<ChildProcess>();

  const write: Site['write'] = async (changes) => {
    for (const [name, content] of Object.entries(changes)) {
      const file = join(folder, name);
      if (content === undefined) {
        await rm(file, { recursive: true, force: true });
        continue;
      }
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    }
  };
  const start = (args: readonly string[]) => {
    // The daemon as operators run it: without the hooks that tap gives to its children.
    const [program = '', ...rest] = namespace.enter([
      ...wrap,
      'env',
      '-u',
      'NODE_OPTIONS',
      TINDERBOX,
      ...args,
    ]);
    const child = spawn(program, rest, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    const text = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk: Buffer) => void (text.stdout += chunk.toString('utf8')));
    child.stderr.on('data', (chunk: Buffer) => void (text.stderr += chunk.toString('utf8')));
    const ended = once(child, 'close').then((): Ended => ({ code: child.exitCode, ...text }));
    return { child, text, ended };
  };
  const launch: Site['launch'] = (...args) => {
    const { child, text, ended } = start(['serve', ...args]);
    daemons.add(child);
    void ended.then(() => daemons.delete(child));
    return {
      pid: child.pid ?? 0,
      ended,
      log: () => text.stdout + text.stderr,
      lines: () => readLog(text.stdout),
      signal: (name) => void child.kill(name),
    };
  };
  await write({ ...SOUND_FILES, ...files });
  return {
    folder,
    write,
    run: (...args) => start(args).ended,
    launch,
    async serve(...args) {
      const daemon = launch(...args);
      await waitUntil('the daemon is ready', () => daemon.lines().some(({ msg }) => msg === 'ready'), {
        limit: START_LIMIT,
        unless: daemon.ended.then(({ stdout, stderr }) => `the daemon ended: ${stdout}${stderr}`),
      });
      return daemon;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...daemons].map((child) => stopProcess(child)));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function readLog(text: string): readonly LogLine[] {
  return text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogLine);
}

/** Asks again and again; throws when `limit` milliseconds are over or `unless` resolves, saying what was waited for. */
export async function waitUntil(
  what: string,
  holds: () => boolean | Promise<boolean>,
  { limit = 20_000, unless }: { readonly limit?: number; readonly unless?: Promise<string> } = {},
): Promise<void> {
  let over: string | undefined;
  void unless?.then((reason) => void (over = reason));
  const start = performance.now();
  while (!(await holds())) {
    if (over !== undefined) throw new Error(over);
    if (performance.now() - start > limit) throw new Error(`waited in vain until ${what}`);
    await delay(25);
  }
}
