import { chmod, lstat, unlink } from 'node:fs/promises';
import { createConnection, type Server } from 'node:net';
import { TinderboxError, toTinderboxError } from '../errors.ts';

/** `sun_path` of unix(7) without its NUL. */
const PATH_LIMIT = 107;

/**
 * Listens on a unix socket that only its user and group may use (0660). A file that a dead daemon left is replaced;
 * a live one is `in-use`. Throws `invalid-config` where the path cannot be a socket's.
 */
export async function listenOnUnixSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > PATH_LIMIT) {
    throw new TinderboxError(
      'invalid-config',
      `the admin socket ${path} has a longer path than the kernel allows`,
      {
        remedy: `set paths.state in tinderbox.yaml to a path that leaves it at most ${PATH_LIMIT} characters`,
      },
    );
  }
  await removeStaleSocket(path);
  // The mode is right from the first moment, not from the chmod on: listen() binds before it returns.
  const umask = process.umask(0o117);
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
  process.umask(umask);
  try {
    await listening;
    await chmod(path, 0o660);
  } catch (thrown) {
    const error = toTinderboxError(thrown);
    throw new TinderboxError(error.code, `the admin socket ${path} cannot be made: ${error.message}`, {
      cause: thrown,
      remedy: 'see that its folder exists and that tinderbox may write there',
    });
  }
}

async function removeStaleSocket(path: string): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined) return;
  if (!stats.isSocket()) {
    throw new TinderboxError('in-use', `${path} is in the way of the admin socket and is no socket`, {
      remedy: 'move it away, or set paths.state in tinderbox.yaml',
    });
  }
  if (await isAlive(path)) {
    throw new TinderboxError('in-use', `another tinderbox listens on ${path}`, {
      remedy: 'stop it, or give this one another paths.state in tinderbox.yaml',
    });
  }
  await unlink(path);
}

/** Only a refused connection proves that nobody listens; a full backlog or missing right does not. */
function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'ECONNREFUSED'));
  });
}
