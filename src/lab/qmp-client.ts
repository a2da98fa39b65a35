import { createConnection } from 'node:net';
import { createInterface } from 'node:readline';
import { TinderboxError } from '../errors.ts';

const TIMEOUT = 10_000;

/**
 * One command of QEMU's machine protocol (docs/interop/qmp-spec.rst) over its unix socket: the greeting, the
 * negotiation, the command, its answer. The greeting comes when the machine is made and runs. Throws TinderboxError `unavailable` if QEMU does not answer in ten seconds.
 */
export async function sendQmpCommand(
  path: string,
  command: 'system_reset' | 'quit' | 'query-status' | 'send-key',
  given: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const socket = createConnection({ path });
  socket.setTimeout(TIMEOUT, () => socket.destroy(new Error('no answer')));
  try {
    let answers = 0;
    for await (const line of createInterface({ input: socket })) {
      const message = JSON.parse(line) as { QMP?: unknown; return?: unknown; error?: { desc?: string } };
      if (message.error !== undefined) throw new Error(message.error.desc ?? 'refused');
      if (message.QMP !== undefined) socket.write(`${JSON.stringify({ execute: 'qmp_capabilities' })}\n`);
      if (message.return === undefined) continue;
      answers += 1;
      if (answers === 2) return;
      socket.write(`${JSON.stringify({ execute: command, arguments: given })}\n`);
    }
    // QEMU may close before it answers `quit`.
    if (command !== 'quit') throw new Error('the connection was closed');
  } catch (cause) {
    throw new TinderboxError(
      'unavailable',
      `QEMU did not carry out ${command}: ${(cause as Error).message}`,
      { cause },
    );
  } finally {
    socket.destroy();
  }
}
