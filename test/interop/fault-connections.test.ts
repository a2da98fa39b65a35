import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { addAddress, type NetworkNamespace, stopProcess } from '../../src/lab/namespace.ts';
import { runProgram } from '../../src/lab/run-program.ts';
import { createSite, type Daemon, waitUntil } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';
import { figuresOf } from './support/process-figures.ts';

const HOLD = fileURLToPath(new URL('support/hold-connections.ts', import.meta.url));
const FULL = process.env['TINDERBOX_FULL'] === '1';
const CONNECTIONS = FULL ? 3000 : 450;
const FILES = { 'assets/big': new Uint8Array(30_000_000).fill(7) };
const ADDRESSES = Array.from({ length: 40 }, (_, index) => `10.77.0.${200 + index}`);

await using lab = await createLab();
const client = await lab.addClient('10.77.0.3/24');
const attacker = await lab.addClient('10.77.0.4/24');
for (const address of ADDRESSES) await addAddress(attacker, 'eth0', `${address}/24`);

const boot = async (until: 'report' | 'loader' = 'report') => {
  const order = {
    interface: 'eth0',
    count: 1,
    firstMac: 0x525400123456,
    arch: 'uefi-x64',
    pace: 0.1,
  } as const;
  return (await bootMachines(client, { ...order, until, questions: 20, timeout: 90_000 }))[0];
};

/** Resolves when each was open once. */
async function hold(namespace: NetworkNamespace, count: number, addresses: readonly string[], kinds = '012') {
  const argv = [process.execPath, HOLD, String(count), kinds, ...addresses];
  const child = namespace.spawn(argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  return { [Symbol.asyncDispose]: () => stopProcess(child) };
}

/** The threads that send files, once there are some, stay, with seven each; so does the file that they send. */
const STAYS = 24;
const settled = (daemon: Daemon, before: number) =>
  waitUntil('the descriptors are given back', () => figuresOf(daemon.pid).descriptors <= before + STAYS, {
    limit: 60_000,
  });

for (const [name, addresses] of [
  ['one address', ['10.77.0.4']],
  ['many addresses', ADDRESSES],
] as const) {
  await t.test(
    `machines boot beside ${CONNECTIONS} connections of ${name} that never come to an end`,
    async (t) => {
      await using site = await createSite(lab.network.namespace, FILES);
      const daemon = await site.serve();
      t.ok((await boot())?.ok, 'it boots before');
      const before = figuresOf(daemon.pid);
      {
        await using stack = new AsyncDisposableStack();
        stack.use(await hold(attacker, CONNECTIONS, addresses));
        const during = await boot();
        t.ok(during?.ok, 'and beside them', { step: during?.steps.at(-1) });
        const figures = figuresOf(daemon.pid);
        t.ok(figures.rss < before.rss + 400, `${figures.rss} MB, before ${before.rss} MB`);
        t.comment(
          `slow clients of ${name}: lost 0, away 0 ms; the boot took ${Math.round(during?.ms ?? 0)} ms; ${figures.descriptors} descriptors, ${figures.rss} MB (before: ${before.descriptors}, ${before.rss} MB)`,
        );
      }
      await settled(daemon, before.descriptors);
      daemon.signal('SIGTERM');
      t.equal((await daemon.ended).code, 0);
    },
  );
}

await t.test('with few descriptors the newest connections are served, not the oldest kept', async (t) => {
  await using site = await createSite(lab.network.namespace, FILES, ['prlimit', '--nofile=128:128']);
  const daemon = await site.serve();
  {
    await using stack = new AsyncDisposableStack();
    stack.use(await hold(attacker, 300, ADDRESSES, '01'));
    const during = await boot();
    t.ok(during?.ok, 'a machine boots', { step: during?.steps.at(-1), log: daemon.log().slice(-1500) });
    t.comment(
      `128 descriptors: lost 0, away 0 ms; ${figuresOf(daemon.pid).descriptors} in use beside 300 connections`,
    );
  }
  daemon.signal('SIGTERM');
  t.equal((await daemon.ended).code, 0);
});

await t.test(
  'without any descriptor left DHCP answers, nothing spins or floods the log, and all comes back by itself',
  async (t) => {
    await using site = await createSite(lab.network.namespace, FILES);
    const daemon = await site.serve();
    t.ok((await boot())?.ok, 'it boots before');
    const before = figuresOf(daemon.pid);
    const limit = async (descriptors: number | string): Promise<void> =>
      void (await runProgram(['prlimit', '--pid', String(daemon.pid), `--nofile=${descriptors}:`]));
    const lines = daemon.lines().length;
    await limit(before.descriptors + 4);
    const started = performance.now();
    {
      await using stack = new AsyncDisposableStack();
      stack.use(await hold(attacker, 100, ADDRESSES));
      const during = await boot('loader');
      t.match(
        during?.steps.filter(({ ok }) => ok).map(({ step }) => step),
        ['rom-discover', 'rom-request'],
        'DHCP answers',
      );
      const { cpu } = figuresOf(daemon.pid);
      t.comment(
        `descriptors used up: ${(cpu - before.cpu).toFixed(1)} s of processor in ${((performance.now() - started) / 1000).toFixed(1)} s`,
      );
    }
    t.ok(daemon.lines().length - lines < 50, `${daemon.lines().length - lines} new lines in the log`);
    await limit(4096);
    const freed = performance.now();
    const after = await boot();
    t.ok(after?.ok, 'it boots after', { step: after?.steps.at(-1) });
    t.comment(
      `descriptors used up: lost 0; HTTP away as long as it lasted, back within ${Math.round(performance.now() - freed)} ms (a whole boot)`,
    );
    daemon.signal('SIGTERM');
    t.equal((await daemon.ended).code, 0);
  },
);
