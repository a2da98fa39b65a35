import tftp from 'tftp';
import { TinderboxError } from '../errors.ts';

export interface ReadTftpOptions {
  /** 8–65464; 1468. */
  readonly blockSize?: number;
  /** 1–65535; 1, lock step. The package's own default is 4, as EDK2's. */
  readonly windowSize?: number;
  /** Milliseconds of silence after which it gives up; 12 s. */
  readonly timeout?: number;
}

const TIMEOUT = 12_000;
const RETRIES = 3;
/**
 * The package sends its milliseconds as the option `timeout`, in seconds. Above 255 a server leaves that out of its
 * answer (a clamped value makes the package refuse the OACK); at or below, it would be taken at its word.
 */
const LEAST_TIMEOUT = 256;

/**
 * Reads a whole file with the npm package `tftp`, a client that this project did not write. Throws TinderboxError:
 * `not-found` and `refused` for the server's ERROR, `unavailable` if it falls silent, `usage` for a name that the
 * package cannot ask for (`..`, or beyond ASCII).
 */
export async function readTftpFile(
  host: string,
  port: number,
  name: string,
  options: ReadTftpOptions = {},
): Promise<Uint8Array> {
  const client = tftp.createClient({
    host,
    port,
    retries: RETRIES,
    windowSize: options.windowSize ?? 1,
    blockSize: options.blockSize ?? 1468,
    timeout: Math.max(LEAST_TIMEOUT, Math.ceil((options.timeout ?? TIMEOUT) / (RETRIES + 1))),
  });
  const stream = openStream(client, name);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    stream.on('stats', ({ windowSize }) => {
      // The package misspells its own `_windowSize` where it sorts a window's blocks: without this, a window that was
      // completed by a resend is delivered out of order, and the wrong block acknowledged.
      // oxlint-disable-next-line no-underscore-dangle
      stream._reader._windowsSize = windowSize;
    });
    stream.on('data', (chunk) => chunks.push(chunk));
    stream.on('end', () => resolve(Buffer.concat(chunks)));
    stream.on('abort', () => reject(new TinderboxError('unavailable', `${name}: the transfer was aborted`)));
    stream.on('error', (error) => reject(explain(name, error)));
  });
}

function openStream(client: tftp.Client, name: string): tftp.GetStream {
  try {
    return client.createGetStream(name);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TinderboxError('usage', `${name} cannot be asked for: ${reason}`, { cause });
  }
}

/** The package keeps the text of an ERROR and drops its code. */
function explain(name: string, error: Error): TinderboxError {
  const fromServer = /^\(Server\) (.*)$/s.exec(error.message)?.[1];
  const text = `TFTP ${name}: ${fromServer ?? error.message}`;
  if (error.message === 'Timed out') {
    return new TinderboxError('unavailable', `TFTP ${name}: the server does not answer`, { cause: error });
  }
  if (fromServer === undefined) return new TinderboxError('unavailable', text, { cause: error });
  const missing = /not found|no such file/i.test(fromServer);
  return new TinderboxError(missing ? 'not-found' : 'refused', text, { cause: error });
}
