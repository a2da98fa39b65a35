import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { type NetworkNamespace, stopProcess } from '../../src/lab/namespace.ts';
import { askScript, curl } from './support/curl.ts';
import { createSite, type Site, waitUntil } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';
import { lookIntoDatabase } from './support/look-into-database.ts';

const DAEMON = fileURLToPath(new URL('support/daemon-with-clock.ts', import.meta.url));
const DAY = 86_400_000;
/** As many as there are addresses. */
const MACHINES = 6;

async function serveWithClock(namespace: NetworkNamespace, site: Site) {
  const argv = ['env', '-u', 'NODE_OPTIONS', process.execPath, DAEMON, join(site.folder, 'tinderbox.yaml')];
  const child = namespace.spawn(argv, { cwd: site.folder, stdio: ['pipe', 'pipe', 'inherit'] });
  let log = '';
  child.stdout?.on('data', (chunk: Buffer) => void (log += chunk.toString('utf8')));
  const ended = once(child, 'close');
  await waitUntil('it serves', () => log.includes('"ready"'), {
    unless: ended.then(() => `it ended: ${log}`),
  });
  let sets = 0;
  return {
    log: () => log,
    async set(ms: number): Promise<void> {
      child.stdin?.write(`${ms}\n`);
      sets++;
      await waitUntil('the clock is set', () => log.split('\nset\n').length > sets);
    },
    async stop(): Promise<void> {
      child.stdin?.end();
      await ended;
    },
    [Symbol.asyncDispose]: () => stopProcess(child),
  };
}

for (const [name, step] of [
  ['forward by a year', 365 * DAY],
  ['back by a day', -DAY],
] as const) {
  await t.test(
    `when the clock is set ${name}, addresses stay whose they are and boots that run go on`,
    async (t) => {
      await using lab = await createLab();
      await using site = await createSite(lab.network.namespace, {
        'tinderbox.yaml': `network: { interface: br0 }\ndhcp: { mode: server, probe: off, range: 10.77.0.100-10.77.0.${99 + MACHINES} }\n`,
      });
      await using daemon = await serveWithClock(lab.network.namespace, site);
      const client = await lab.addClient('10.77.0.3/24');
      const boot = (count: number, firstMac = 0x525400000000, until: 'report' | 'loader' = 'report') =>
        bootMachines(client, {
          interface: 'eth0',
          count,
          firstMac,
          arch: 'uefi-x64',
          until,
          pace: 0.1,
          timeout: 60_000,
        });
      const addressesOf = (outcomes: Awaited<ReturnType<typeof boot>>) =>
        outcomes.map(({ mac, ok, addresses }) => `${mac} ${ok} ${addresses.os}`).toSorted();
      const before = addressesOf(await boot(MACHINES));
      t.equal(before.filter((line) => line.includes(' true ')).length, MACHINES, 'all addresses are in use');
      const { session } = await askScript(client, '52:54:00:00:00:00');

      await daemon.set(step);
      // The first packet after it is a newcomer's: whoever compares times has not looked at the clock since.
      const [late] = await boot(1, 0x525400009999, 'loader');
      t.match(
        late?.steps.at(-1),
        { step: 'rom-discover', ok: false },
        'no address is free, since all are in use',
      );
      t.equal(
        (await curl(client, `${session}/cloud-config`)).status,
        200,
        'a boot under way gets its configuration',
      );
      t.equal(
        (await curl(client, `${session}/report`, '--data', 'stage=booted')).status,
        200,
        'and comes to its end',
      );
      t.same(addressesOf(await boot(MACHINES)), before, 'each boots again, with the address that it had');
      t.match(daemon.log(), /the clock of this host was set/);
      await daemon.set(-step);
      t.same(addressesOf(await boot(MACHINES)), before, 'and when it is set right again');
      await daemon.stop();
      lookIntoDatabase(join(site.folder, 'var'), ({ integrity, leases }) => {
        t.equal(integrity, 'ok');
        t.equal(leases.length, MACHINES);
      });
      t.comment(`clock set ${name}, and back: lost 0 leases, 0 boots; away 0 ms`);
    },
  );
}
