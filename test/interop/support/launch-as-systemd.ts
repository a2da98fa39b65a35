import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { NetworkNamespace } from '../../../src/lab/namespace.ts';
import type { Ended } from './daemon-site.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** One socket as a .socket unit describes it. */
export interface HandedSocket {
  readonly name: string;
  readonly type: 'udp' | 'tcp';
  readonly port: number;
  readonly device?: string;
}

export interface LaunchOptions {
  readonly sockets?: readonly HandedSocket[];
  /** As another user, without any capability. */
  readonly bare?: boolean;
  readonly environment?: Readonly<Record<string, string>>;
  readonly config: string;
}

export interface Launched {
  readonly pid: number;
  log(): string;
  signal(name: NodeJS.Signals): void;
  readonly ended: Promise<Ended>;
}

/** Somebody who may do nothing: nobody. */
export const BARE_ID = 65_534;

/** Opens sockets as systemd does (SO_REUSEADDR, SO_BINDTODEVICE, descriptors from 3 on) and becomes the program. */
const LAUNCHER = `
import json, os, socket, sys
sockets = []
for want in json.loads(sys.argv[1]):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if want['type'] == 'udp' else socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if want.get('device'): s.setsockopt(socket.SOL_SOCKET, 25, want['device'].encode() + b'\\0')
    s.bind(('0.0.0.0', want['port']))
    if want['type'] == 'tcp': s.listen(128)
    sockets.append((want['name'], s))
spare = [os.dup2(s.fileno(), 100 + i) for i, (_, s) in enumerate(sockets)]
for i, fd in enumerate(spare): os.dup2(fd, 3 + i, inheritable=True)
os.closerange(3 + len(spare), 200)
if spare:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(spare)), LISTEN_FDNAMES=':'.join(n for n, _ in sockets))
os.execvp(sys.argv[2], sys.argv[2:])
`;

/** Where this clone is mounted for a user who may not look into its own place. */
const MOUNTED = '/mnt';

export function launchAsSystemd(namespace: NetworkNamespace, options: LaunchOptions): Launched {
  const { sockets = [], bare = false, environment = {}, config } = options;
  const unprivileged = [
    'setpriv',
    `--reuid=${BARE_ID}`,
    `--regid=${BARE_ID}`,
    '--clear-groups',
    '--inh-caps=-all',
    '--bounding-set=-all',
    '--no-new-privs',
    '--',
  ];
  const [program = '', ...args] = namespace.enter([
    'unshare',
    '--mount',
    '--',
    'sh',
    '-c',
    `mount --bind "$0" ${MOUNTED} && exec "$@"`,
    ROOT,
    'python3',
    '-c',
    LAUNCHER,
    JSON.stringify(sockets),
    ...(bare ? unprivileged : []),
    'env',
    '-u',
    'NODE_OPTIONS',
    // systemd-socket-activate and systemd say whose process it is; here the program itself starts it.
    'sh',
    '-c',
    '[ -z "$WATCHDOG_USEC" ] || export WATCHDOG_PID=$$; exec "$@"',
    'sh',
    `${MOUNTED}/bin/tinderbox`,
    'serve',
    '--config',
    config,
  ]);
  const child: ChildProcess = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...environment },
  });
  const text = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => void (text.stdout += chunk.toString('utf8')));
  child.stderr?.on('data', (chunk: Buffer) => void (text.stderr += chunk.toString('utf8')));
  return {
    pid: child.pid ?? 0,
    log: () => text.stdout + text.stderr,
    signal: (name) => void child.kill(name),
    ended: once(child, 'close').then((): Ended => ({ code: child.exitCode, ...text })),
  };
}
