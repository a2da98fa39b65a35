import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t from 'tap';
import { addBridge, createNamespace } from '../../src/lab/namespace.ts';
import { createProvisioningNetwork } from '../../src/lab/provisioning-network.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';

/** A process that was killed is gone a moment later; bounded. */
async function gone(pid: number): Promise<boolean> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (!existsSync(`/proc/${pid}`)) return true;
    await sleep(20);
  }
  return false;
}

t.test('what runs inside is the program itself, in a network of its own', { skip }, async (t) => {
  await using namespace = await createNamespace('one');
  const links = await namespace.run(['ip', '-brief', 'link']);
  t.match(links, /^lo\s+UNKNOWN/);
  t.equal(links.trim().split('\n').length, 1);
  const child = namespace.spawn(['sleep', '60']);
  t.match(await namespace.run(['cat', `/proc/${child.pid}/comm`]), /^(sleep|setpriv|nsenter)$/m);
  await t.rejects(namespace.run(['ip', 'link', 'show', 'nosuch0']), {
    message: /ip link show nosuch0 ended with 1: /,
  });
  await t.rejects(addBridge(namespace, 'a-name-that-is-too-long'), { code: 'usage' });
});

t.test('all of it ends with the namespace', { skip }, async (t) => {
  const namespace = await createNamespace('two');
  const polite = namespace.spawn(['sleep', '60']).pid as number;
  const stubborn = namespace.spawn(['sh', '-c', 'trap "" TERM; echo; while :; do sleep 1; done'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await once(stubborn.stdout as NodeJS.ReadableStream, 'data');
  await namespace[Symbol.asyncDispose]();
  for (const pid of [polite, stubborn.pid as number, namespace.pid]) t.notOk(existsSync(`/proc/${pid}`));
});

t.test('all of it ends when the process that made it is killed', { skip }, async (t) => {
  const script = `
    import { createNamespace } from ${JSON.stringify(new URL('../../src/lab/namespace.ts', import.meta.url).href)};
    const namespace = await createNamespace('three');
    const child = namespace.spawn(['sh', '-c', 'echo; exec sleep 60'], { stdio: ['ignore', 'pipe', 'ignore'] });
    child.stdout.once('data', () => console.log(namespace.pid + ' ' + child.pid));`;
  const maker = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: maker.stdout }), 'line')) as [string];
  const pids = line.split(' ').map(Number);
  t.equal(pids.length, 2);
  for (const pid of pids) t.ok(existsSync(`/proc/${pid}`));
  maker.kill('SIGKILL');
  for (const pid of pids) t.ok(await gone(pid), `${pid} is gone`);
});

t.test(
  'a provisioning network has cables for machines and, if asked, another DHCP server',
  { skip },
  async (t) => {
    await using network = await createProvisioningNetwork({ machines: 2, plainDhcp: true });
    t.same(network.taps, ['tap0', 'tap1']);
    t.equal(network.address, '10.77.0.1');
    const ports = JSON.parse(
      await network.namespace.run(['ip', '-json', 'link', 'show', 'master', network.bridge]),
    );
    t.same(ports.map(({ ifname }: { ifname: string }) => ifname).toSorted(), ['tap0', 'tap1', 'uplink0']);
    t.match(network.routerLog(), /IP range 10\.77\.0\.50 -- 10\.77\.0\.99/);
    t.ok(network.router);
  },
);
