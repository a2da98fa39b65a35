import { spawn } from 'node:child_process';
import { TinderboxError } from '../errors.ts';

export interface RunOptions {
  readonly cwd?: string;
  /** Written to its standard input. */
  readonly input?: string | Uint8Array;
  /** Milliseconds until it is killed; 30 s unless told. */
  readonly timeout?: number;
}

/**
 * Runs a program to its end and returns what it printed. Throws TinderboxError: `not-found` if there is no such
 * program, `internal` with its last error output if it fails or takes too long.
 */
export async function runProgram(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  return (await runForBytes(argv, options)).toString('utf8');
}

export function runForBytes(argv: readonly string[], options: RunOptions = {}): Promise<Buffer> {
  const [program = '', ...args] = argv;
  const timeout = options.timeout ?? 30_000;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.cwd !== undefined && { cwd: options.cwd }),
    });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    // A program that ends without reading its input is no error of its own.
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
    child.on('error', (cause: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      const missing = cause.code === 'ENOENT';
      reject(
        new TinderboxError(missing ? 'not-found' : 'internal', `cannot run ${program}: ${cause.message}`, {
          cause,
        }),
      );
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) {
        resolve(Buffer.concat(output));
        return;
      }
      const said = Buffer.concat(errors).toString('utf8').trim().split('\n').slice(-5).join('\n');
      const how =
        signal === null ? `ended with ${code}` : `was stopped by ${signal} (limit ${timeout / 1000} s)`;
      reject(new TinderboxError('internal', `${argv.join(' ')} ${how}${said === '' ? '' : `: ${said}`}`));
    });
  });
}
