import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { createSite } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';
import { lookIntoDatabase } from './support/look-into-database.ts';
import { figuresOf } from './support/process-figures.ts';

const SEND_DISCOVERS = fileURLToPath(new URL('support/send-discovers.ts', import.meta.url));
const FLOOD = process.env['TINDERBOX_FULL'] === '1' ? 500_000 : 20_000;

await t.test(
  'a flood that uses up all addresses is said, costs bounded memory, and takes nobody’s address',
  async (t) => {
    await using lab = await createLab();
    await using site = await createSite(lab.network.namespace, {
      'tinderbox.yaml':
        'network: { interface: br0 }\ndhcp: { mode: server, probe: off, range: 10.77.0.100-10.77.0.129 }\n',
      'profiles/machines.yaml':
        'machines:\n  52:54:00:00:00:00: { role: worker, address: 10.77.0.20 }\ndefault: worker\n',
    });
    const daemon = await site.serve();
    const client = await lab.addClient('10.77.0.3/24');
    const flooder = await lab.addClient('10.77.0.4/24');
    const boot = (count: number) =>
      bootMachines(client, {
        interface: 'eth0',
        count,
        firstMac: 0x525400000000,
        arch: 'uefi-x64',
        until: 'report',
        pace: 0.25,
        timeout: 90_000,
      });
    const addressesOf = (outcomes: Awaited<ReturnType<typeof boot>>) =>
      outcomes.map(({ mac, ok, addresses }) => `${mac} ${ok} ${addresses.os}`).toSorted();
    // The first has a reservation, the others leases.
    const first = addressesOf(await boot(5));
    t.match(first[0], '52:54:00:00:00:00 true 10.77.0.20');
    const before = figuresOf(daemon.pid);
    const lines = daemon.lines().length;
    const flood = flooder.spawn([process.execPath, SEND_DISCOVERS, String(FLOOD), '4000'], {
      stdio: 'ignore',
    });
    const flooded = once(flood, 'exit');
    const during = addressesOf(await boot(5));
    t.same(during, first, 'those that are known boot meanwhile, with the addresses that they had');
    await flooded;
    t.same(addressesOf(await boot(5)), first, 'and after it');
    const after = figuresOf(daemon.pid);
    t.ok(after.rss < before.rss + 250, `${after.rss} MB, before ${before.rss} MB`);
    t.match(daemon.log(), /no address is free in 10\.77\.0\.0\/24/, 'that no address is left is said');
    t.ok(daemon.lines().length - lines < 200, `${daemon.lines().length - lines} new lines in the log`);
    daemon.signal('SIGTERM');
    t.equal((await daemon.ended).code, 0);
    lookIntoDatabase(join(site.folder, 'var'), ({ integrity, count }) => {
      t.equal(integrity, 'ok');
      t.ok(count('leases') <= 31, 'an offer is no lease');
    });
    t.comment(
      `a flood of ${FLOOD} DISCOVERs: lost 0, away 0 ms for known machines; ${after.rss} MB, before ${before.rss} MB`,
    );
  },
);
