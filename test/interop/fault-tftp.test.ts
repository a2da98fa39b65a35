import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { createSite, waitUntil } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';
import { lookIntoDatabase } from './support/look-into-database.ts';
import { figuresOf } from './support/process-figures.ts';

const ABORT = fileURLToPath(new URL('support/abort-transfers.ts', import.meta.url));
const FULL = process.env['TINDERBOX_FULL'] === '1';
/** Of one address a quarter of the transfers may run at a time. */
const AT_ONCE = 120;
const ROUNDS = FULL ? 20 : 2;
/** Sockets that are kept for the next transfers for a while. */
const KEPT = 64;

await t.test(
  'hundreds of transfers whose clients went away leave nothing behind, and machines boot meanwhile',
  async (t) => {
    await using lab = await createLab();
    const loader = new Uint8Array(400_000).fill(5);
    await using site = await createSite(lab.network.namespace, { 'assets/ipxe/snponly.efi': loader });
    const daemon = await site.serve();
    const client = await lab.addClient('10.77.0.3/24');
    const leavers = await lab.addClient('10.77.0.4/24');
    const boot = async () => {
      const order = {
        interface: 'eth0',
        count: 1,
        firstMac: 0x525400123456,
        arch: 'uefi-x64',
        until: 'report',
        pace: 0.1,
      } as const;
      return (await bootMachines(client, order))[0];
    };
    const sockets = async (): Promise<number> =>
      (await lab.network.namespace.run(['ss', '-H', '-lnup'])).split('\n').filter((line) => line !== '')
        .length;
    t.ok((await boot())?.ok, 'it boots before');
    const before = figuresOf(daemon.pid);
    let begun = 0;
    for (let round = 0; round < ROUNDS; round++) {
      begun += Number(
        await leavers.run([process.execPath, ABORT, String(AT_ONCE), 'snponly.efi'], { timeout: 60_000 }),
      );
      const machine = await boot();
      t.ok(machine?.ok, 'and beside them', { step: machine?.steps.at(-1) });
    }
    const started = performance.now();
    // Each is sent to again until it has been silent for half a minute.
    await waitUntil('all but those kept are closed', async () => (await sockets()) <= KEPT + 8, {
      limit: 120_000,
    });
    if (FULL) await waitUntil('all are closed', async () => (await sockets()) <= 4, { limit: 120_000 });
    const after = figuresOf(daemon.pid);
    t.ok(
      after.descriptors <= before.descriptors + KEPT + 8,
      `${after.descriptors} descriptors, before ${before.descriptors}`,
    );
    t.ok(after.rss < before.rss + 200, `${after.rss} MB, before ${before.rss} MB`);
    t.ok((await boot())?.ok, 'and after them');
    daemon.signal('SIGTERM');
    t.equal((await daemon.ended).code, 0);
    lookIntoDatabase(join(site.folder, 'var'), ({ integrity }) => t.equal(integrity, 'ok'));
    t.comment(
      `${begun} transfers aborted: lost 0, away 0 ms; all over ${Math.round(performance.now() - started)} ms after the last; ${after.rss} MB, before ${before.rss} MB`,
    );
  },
);
