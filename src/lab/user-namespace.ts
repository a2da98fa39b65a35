import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, constants, readFile } from 'node:fs/promises';
import { TinderboxError } from '../errors.ts';
import { runProgram } from './run-program.ts';

/** Root of the host, not of a user namespace: only that may change users, as apt does. */
export async function isRealRoot(): Promise<boolean> {
  if (process.getuid?.() !== 0) return false;
  const map = await readFile('/proc/self/uid_map', 'utf8').catch(() => '');
  // user_namespaces(7): outside of any user namespace all 2³²−1 identities map to themselves.
  return map === '' || /^\s*0\s+0\s+4294967295\s*$/.test(map);
}

/**
 * Runs this program again as root of a new user namespace, with the same arguments; returns its exit code.
 * Throws TinderboxError `refused` where the host does not allow user namespaces.
 */
export async function rerunInUserNamespace(): Promise<number> {
  const unshare = ['unshare', '--user', '--map-root-user', '--'];
  try {
    // Making a network namespace inside is what matters; some hosts allow only the outer half.
    await runProgram([...unshare, 'unshare', '--net', '--', 'true']);
  } catch (cause) {
    throw new TinderboxError(
      'refused',
      'this needs root, or user namespaces for everybody, which this host forbids',
      {
        cause,
        remedy:
          'Run it with sudo; or allow them: sysctl kernel.unprivileged_userns_clone=1 (Debian), ' +
          'kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu).',
      },
    );
  }
  const [program = '', ...args] = [
    ...unshare,
    process.execPath,
    ...process.execArgv,
    ...process.argv.slice(1),
  ];
  const child = spawn(program, args, { stdio: 'inherit' });
  process.on('SIGINT', leaveItToTheChild);
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  const [code] = await once(child, 'exit');
  process.off('SIGINT', leaveItToTheChild);
  return typeof code === 'number' ? code : 1;
}

/** Throws TinderboxError `refused` if virtual machines cannot be plugged into a network here. */
export async function requireTun(): Promise<void> {
  try {
    await access('/dev/net/tun', constants.R_OK | constants.W_OK);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    throw new TinderboxError(
      'refused',
      `/dev/net/tun ${missing ? 'does not exist' : 'may not be opened by this user'}`,
      {
        cause,
        remedy: missing
          ? 'Load the module (modprobe tun); in a container: start it with --device /dev/net/tun.'
          : 'Run this with sudo, or once: sudo chmod 0666 /dev/net/tun (the mode that udev gives it on Debian).',
      },
    );
  }
}

/** A terminal's signal reaches both processes; this one waits for the other to clean up. */
function leaveItToTheChild(): void {}
