import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import { type AddressUser, createAddressProbe, type ProbeAddress } from '../../src/net/probe-address.ts';

/** Of so many addresses from 1 on; rejects if one is not asked about. */
async function askAll(probe: ProbeAddress, count: number): Promise<readonly AddressUser[]> {
  const probes: Promise<AddressUser>[] = [];
  for (let address = 1; address <= count; address++) {
    const probed = probe(address as Ipv4);
    if (probed === undefined) throw new Error(`${address} is not asked about`);
    probes.push(probed);
  }
  return Promise.all(probes);
}

t.test(
  'so many are asked about at a time, so many wait for their turn, and the rest is told so',
  async (t) => {
    const answers: ((user: AddressUser) => void)[] = [];
    const probe = createAddressProbe({
      probe: () => new Promise((resolve) => answers.push(resolve)),
      askedFor: 0,
    });
    const all = askAll(probe, 1024);
    t.equal(answers.length, 512);
    t.equal(probe(5000 as Ipv4), undefined);
    for (const answer of answers.splice(0)) answer('somebody');
    // The others have their turn when these are through.
    await new Promise(setImmediate);
    t.equal(answers.length, 512);
    for (const answer of answers.splice(0)) answer(undefined);
    t.same(
      await all,
      Array.from({ length: 1024 }, (_, index) => (index < 512 ? 'somebody' : undefined)),
    );
    t.ok(probe(5000 as Ipv4), 'and there is room again');
  },
);

t.test('while the kernel goes on asking for one that nobody has, its place is not free', async (t) => {
  let probed = 0;
  const probe = createAddressProbe({ probe: async () => void probed++, askedFor: 60_000 });
  await askAll(probe, 512);
  t.ok(probe(600 as Ipv4));
  t.equal(probed, 512);
});

t.test('without a descriptor to ask with it is not known whether somebody is there', (t) => {
  const module = join(import.meta.dirname, '../../src/net/probe-address.ts');
  const script = `import { closeSync, openSync } from 'node:fs';
    import { probeAddress } from ${JSON.stringify(module)};
    await probeAddress(0x7f000001);
    const taken = [];
    try { for (;;) taken.push(openSync('/dev/null')); } catch {}
    const users = [await probeAddress(0x7f000001)];
    // One for the socket, none for the table.
    closeSync(taken.pop());
    users.push(await probeAddress(0x7f000001));
    for (const one of taken) closeSync(one);
    process.stdout.write(users.join(' '));`;
  const argv = ['--nofile=200:200', process.execPath, '--input-type=module', '--eval', script];
  const env = { ...process.env, NODE_OPTIONS: '' };
  t.equal(execFileSync('prlimit', argv, { env, encoding: 'utf8' }), 'unknown somebody');
  t.end();
});
