import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readTftpFile } from '../../../src/lab/tftp-client.ts';
import { createRawClient, readWith } from '../../servers/support/tftp-harness.ts';

const run = promisify(execFile);

export interface ReadOrder {
  readonly port: number;
  readonly name: string;
  /** Undefined: no option. */
  readonly blockSize?: number;
  readonly windowSize?: number;
}

export interface TftpProgram {
  readonly name: string;
  /** Whether it can ask for block sizes, and for windows. */
  readonly blocks: boolean;
  readonly windows: boolean;
  /** The file as it arrived. Rejects if the program says that it failed, or takes a minute. */
  read(order: ReadOrder): Promise<Buffer>;
}

/** Clients that this project did not write (all but the last), each asking in its own way. */
export const PROGRAMS: readonly TftpProgram[] = [
  {
    name: 'tftp-hpa',
    blocks: false,
    windows: false,
    read: ({ port, name }) =>
      into((file) => ['tftp', ['-4', '-m', 'binary', '127.0.0.1', String(port), '-c', 'get', name, file]]),
  },
  {
    name: 'atftp',
    blocks: true,
    windows: true,
    read: ({ port, name, blockSize, windowSize }) =>
      into((file) => {
        const options = [
          ...(blockSize === undefined ? [] : ['--option', `blksize ${blockSize}`]),
          ...(windowSize === undefined ? [] : ['--option', `windowsize ${windowSize}`]),
        ];
        return ['atftp', [...options, '--get', '-r', name, '-l', file, '127.0.0.1', String(port)]];
      }),
  },
  {
    name: 'curl',
    blocks: true,
    windows: false,
    read: ({ port, name, blockSize }) =>
      into((file) => {
        const options =
          blockSize === undefined ? ['--tftp-no-options'] : ['--tftp-blksize', String(blockSize)];
        return ['curl', ['-sS', '--fail', ...options, '-o', file, `tftp://127.0.0.1:${port}/${name}`]];
      }),
  },
  {
    name: 'npm tftp',
    blocks: true,
    windows: true,
    async read({ port, name, blockSize = 512, windowSize = 1 }) {
      return Buffer.from(await readTftpFile('127.0.0.1', port, name, { blockSize, windowSize }));
    },
  },
  {
    name: 'by hand',
    blocks: true,
    windows: true,
    async read({ port, name, blockSize, windowSize }) {
      const client = await createRawClient(port);
      try {
        return await readWith(client, name, {
          ...(blockSize !== undefined && { blksize: String(blockSize) }),
          ...(windowSize !== undefined && { windowsize: String(windowSize) }),
        });
      } finally {
        client.close();
      }
    },
  },
];

async function into(command: (file: string) => readonly [string, readonly string[]]): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-tftp-'));
  try {
    const file = join(folder, 'file');
    const [program, args] = command(file);
    await run(program, [...args], { timeout: 60_000, cwd: folder });
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
