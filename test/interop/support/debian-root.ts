import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

export type DebianRelease = 'bookworm' | 'trixie';

export interface RootAnswer {
  readonly status: number | null;
  readonly output: string;
}

/** A small Debian in a folder; commands in it have neither network nor systemd, and see no process of the host. */
export interface DebianRoot {
  readonly folder: string;
  run(...argv: readonly string[]): RootAnswer;
  /** Throws with the output unless it ends with 0. */
  must(...argv: readonly string[]): string;
  shell(script: string): string;
  /** Every file of the system but what dpkg, apt and caches keep for themselves: kind, mode, owner, name, target. */
  list(): readonly string[];
}

const CACHE = join(import.meta.dirname, '../../../.cache/debian-roots');
/** What `apt-get install` would fetch besides: the root has no network. */
const INCLUDED = ['systemd', 'procps', 'ipxe', 'iproute2'];
const KEPT_BY_OTHERS = [
  '/proc',
  '/dev',
  '/tmp',
  '/run',
  '/var/lib/dpkg',
  '/var/lib/apt',
  '/var/log',
  '/var/cache',
];
/** What each change of an account leaves behind of the state before. */
const ACCOUNT_BACKUPS = ['/etc/passwd-', '/etc/group-', '/etc/shadow-', '/etc/gshadow-'];

/** Unpacks it from the cache, where the first test puts it. */
export function unpackDebian(t: Test, release: DebianRelease): DebianRoot {
  const folder = mkdtempSync(join(tmpdir(), `tinderbox-${release}-`));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  execFileSync('tar', [
    '--extract',
    '--numeric-owner',
    '--file',
    fetchDebian(release),
    '--directory',
    folder,
  ]);

  const run = (...argv: readonly string[]): RootAnswer => {
    const space = ['--mount', '--pid', '--fork', '--net', '--uts', `--mount-proc=${folder}/proc`];
    const env = ['env', '-i', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'HOME=/root', 'LC_ALL=C.UTF-8'];
    const quiet = ['DEBIAN_FRONTEND=noninteractive', 'SYSTEMD_LOG_LEVEL=warning'];
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      [...space, '--kill-child', 'chroot', folder, ...env, ...quiet, ...argv],
      { encoding: 'utf8', timeout: 300_000 },
    );
    return { status, output: stdout + stderr };
  };
  const must = (...argv: readonly string[]): string => {
    const { status, output } = run(...argv);
    if (status !== 0) throw new Error(`${argv.join(' ')} ended with ${status}:\n${output}`);
    return output;
  };
  return {
    folder,
    run,
    must,
    shell: (script) => must('sh', '-ec', script),
    list() {
      const hidden = [...KEPT_BY_OTHERS, ...ACCOUNT_BACKUPS].flatMap((path) => ['-path', path, '-o']);
      const shown = ['-prune', '-o', '-printf', '%y %m %u:%g %p %l\n'];
      const lines = must('find', '/', '-xdev', '(', ...hidden.slice(0, -1), ')', ...shown).split('\n');
      return lines.filter((line) => line !== '').toSorted();
    },
  };
}

/** The path of the tar; made once, by a rename, so that a run that is stopped leaves no half of one. */
function fetchDebian(release: DebianRelease): string {
  const file = join(CACHE, `${release}-${INCLUDED.join('-')}.tar`);
  if (existsSync(file)) return file;
  mkdirSync(CACHE, { recursive: true });
  const part = join(CACHE, `.${process.pid}-${release}.tar`);
  execFileSync(
    'mmdebstrap',
    ['--quiet', '--variant=minbase', `--include=${INCLUDED.join(',')}`, release, part, findMirror()],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  renameSync(part, file);
  return file;
}

/** Where this host gets its own packages from. */
function findMirror(): string {
  const text = execFileSync('apt-get', ['indextargets', '--format', '$(SITE) $(CODENAME)'], {
    encoding: 'utf8',
  });
  const lines = text.split('\n').map((line) => line.split(' '));
  const site = lines.find(([, name]) => /^(bookworm|trixie)$/.test(name ?? ''))?.[0];
  if (site === undefined) throw new Error(`no mirror of Debian among the sources of apt:\n${text}`);
  return site;
}
