import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { listenForGuest } from '../../src/lab/guest-agent.ts';

/** Of at most 107 bytes, which a folder named after the test would exceed. */
async function socketPath(t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tb-agent-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'agent');
}

/** A guest that answers each command with what `carryOut` makes of it, and nothing where that is undefined. */
function plugIn(path: string, carryOut: (command: string) => [code: number, output: string] | undefined) {
  const socket = createConnection({ path });
  createInterface({ input: socket }).on('line', (line) => {
    const [number, command = ''] = line.split(' ');
    const answer = carryOut(Buffer.from(command, 'base64').toString('utf8'));
    if (answer === undefined) return;
    socket.write(`${number} ${answer[0]} ${Buffer.from(answer[1]).toString('base64')}\n`);
  });
  return socket;
}

t.test('a command reaches the guest whole, and its answer comes back whole', async (t) => {
  await using agent = await listenForGuest(await socketPath(t));
  const guest = plugIn(agent.path, (command) => [command.includes('\n') ? 3 : 0, `did ${command}: ä\n`]);
  guest.write('hello one\n');
  await agent.nextBoot({ after: 0, timeout: 10_000 });
  t.same(await agent.run('two\nlines'), { code: 3, output: 'did two\nlines: ä\n' });
  const answers = await Promise.all(['a', 'b', 'c'].map((command) => agent.run(command)));
  t.same(
    answers.map(({ output }) => output),
    ['did a: ä\n', 'did b: ä\n', 'did c: ä\n'],
  );
  guest.destroy();
});

t.test('each time that the guest comes up counts, also from another machine', async (t) => {
  await using agent = await listenForGuest(await socketPath(t));
  const before = plugIn(agent.path, () => undefined);
  before.write('hello one\n');
  await agent.nextBoot({ after: 0, timeout: 10_000 });
  const next = agent.nextBoot({ after: 1, timeout: 10_000 });
  before.destroy();
  const after = plugIn(agent.path, (command) => [0, command]);
  after.write('hello two\n');
  await next;
  t.equal(agent.boots(), 2);
  t.same(await agent.run('who'), { code: 0, output: 'who' });
  after.destroy();
});

t.test('a guest that says nothing is told of, with what it was asked', async (t) => {
  await using agent = await listenForGuest(await socketPath(t));
  const guest = plugIn(agent.path, () => undefined);
  guest.write('hello one\n');
  await agent.nextBoot({ after: 0, timeout: 10_000 });
  await t.rejects(agent.run('sleep', { timeout: 50 }), {
    code: 'unavailable',
    message: /no answer to: sleep/,
  });
  await t.rejects(agent.nextBoot({ after: 1, timeout: 50 }), { code: 'unavailable' });
  guest.destroy();
});
