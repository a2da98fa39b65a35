import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { TinderboxError } from '../errors.ts';

export interface CommandResult {
  readonly code: number;
  /** stdout and stderr, as they came. */
  readonly output: string;
}

/** Runs shell commands in a virtual machine, one after another; guest-agent.sh is the other end. */
export interface GuestAgent extends AsyncDisposable {
  /** The unix socket that QEMU connects to. */
  readonly path: string;
  /** How often a guest has come up, and the wait for the next time; milliseconds. */
  readonly boots: () => number;
  readonly nextBoot: (options: { readonly after: number; readonly timeout: number }) => Promise<void>;
  /** Throws TinderboxError `unavailable` if the guest does not answer in `timeout` milliseconds. */
  readonly run: (command: string, options?: { readonly timeout?: number }) => Promise<CommandResult>;
  /** Sends a command that the guest does not live to answer. */
  readonly send: (command: string) => void;
}

/** An emulated processor on a busy host. */
const TIMEOUT = 900_000;

export async function listenForGuest(path: string): Promise<GuestAgent> {
  const waiting = new Map<number, (result: CommandResult) => void>();
  const onBoot = new Set<() => void>();
  let guest: Socket | undefined;
  let boots = 0;
  let last = 0;
  const read = (line: string): void => {
    const [first = '', second = '', third = ''] = line.split(' ');
    if (first === 'hello') {
      boots += 1;
      for (const listener of onBoot) listener();
      return;
    }
    waiting.get(Number(first))?.({
      code: Number(second),
      output: Buffer.from(third, 'base64').toString('utf8'),
    });
  };
  const server = createServer((socket) => {
    guest = socket;
    socket.on('error', () => undefined);
    createInterface({ input: socket }).on('line', read);
  });
  server.listen(path);
  await once(server, 'listening');
  const send = (command: string): number => {
    last += 1;
    guest?.write(`${last} ${Buffer.from(command).toString('base64')}\n`);
    return last;
  };
  return {
    path,
    boots: () => boots,
    nextBoot({ after, timeout }) {
      const what = 'the guest did not come up';
      return within(timeout, what, (resolve) => {
        const listener = (): void => {
          if (boots <= after) return;
          onBoot.delete(listener);
          resolve(undefined);
        };
        onBoot.add(listener);
        listener();
      });
    },
    run(command, { timeout = TIMEOUT } = {}) {
      return within(timeout, `no answer to: ${command}`, (resolve) => {
        const number = send(command);
        waiting.set(number, (result) => {
          waiting.delete(number);
          resolve(result);
        });
      });
    },
    send: (command) => void send(command),
    async [Symbol.asyncDispose]() {
      guest?.destroy();
      server.close();
      await once(server, 'close');
      await rm(path, { force: true });
    },
  };
}

function within<T>(timeout: number, what: string, start: (resolve: (value: T) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => reject(new TinderboxError('unavailable', `${what} (${timeout / 1000} s)`)),
      timeout,
    );
    start((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
