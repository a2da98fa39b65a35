import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t from 'tap';
import type { NetworkNamespace } from '../../src/lab/namespace.ts';
import { runProgram } from '../../src/lab/run-program.ts';
import { openStoreReadOnly } from '../../src/store/sqlite-store.ts';
import { waitUntil } from './support/daemon-site.ts';
import { createLab, runUdhcpc, startDaemon } from './support/dhcp-lab.ts';

// A renewal comes after half of the shortest lease.
t.setTimeout(300_000);

/* Machines keep their addresses when the database is lost under them, and nobody else gets one of those. */
const CONFIG = `network: { interface: br0 }
dhcp: { mode: server, probe: off, range: 10.77.0.100-10.77.0.120, leaseTime: 60s }
`;

await using lab = await createLab({ address: '10.77.0.1/24' });
await using daemon = await startDaemon(lab.network.namespace, { config: CONFIG, address: '10.77.0.1' });

/** ISC dhclient in a namespace, with a script that gives the interface its address and does no more. */
async function startDhclient(client: NetworkNamespace, mac: string) {
  await client.run(['ip', 'link', 'set', 'eth0', 'address', mac]);
  const folder = await mkdtemp(path.join(tmpdir(), 'tinderbox-dhclient-'));
  const script = path.join(folder, 'script');
  await writeFile(
    script,
    '#!/bin/sh\ncase $reason in BOUND|REBOOT) ip address replace $new_ip_address/24 dev eth0;; esac\necho "$reason $new_ip_address" >> "$(dirname "$0")/log"\n',
    { mode: 0o755 },
  );
  const pid = path.join(folder, 'pid');
  const argv = [
    'dhclient',
    '-4',
    '-v',
    '-1',
    '-sf',
    script,
    '-cf',
    '/dev/null',
    '-lf',
    path.join(folder, 'leases'),
  ];
  await runProgram(['sh', '-c', '"$@" 2>&1', 'sh', ...client.enter([...argv, '-pf', pid, 'eth0'])], {
    timeout: 60_000,
  });
  const log = async (): Promise<string> => readFile(path.join(folder, 'log'), 'utf8').catch(() => '');
  return {
    log,
    address: /BOUND (\S+)/.exec(await log())?.[1] ?? '',
    /** Again with what it has in its file: INIT-REBOOT. */
    async again(): Promise<void> {
      await this.stop();
      await runProgram(['sh', '-c', '"$@" 2>&1', 'sh', ...client.enter([...argv, '-pf', pid, 'eth0'])], {
        timeout: 60_000,
      });
    },
    async stop(): Promise<void> {
      const text = await readFile(pid, 'utf8').catch(() => '');
      if (text !== '') process.kill(Number(text), 'SIGKILL');
      await rm(pid, { force: true });
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await this.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function loseDatabase(): Promise<void> {
  await daemon.stop();
  for (const suffix of ['', '-wal', '-shm'])
    await rm(path.join(daemon.folder, `var/tinderbox.db${suffix}`), { force: true });
  await daemon.restart();
}

const anna = await lab.addClient();
const berta = await lab.addClient();
const clara = await lab.addClient();

await t.test('after the database is lost', async (t) => {
  await using first = await startDhclient(anna, '52:54:00:aa:01:01');
  await using second = await startDhclient(berta, '52:54:00:aa:01:02');
  t.match(first.address, /^10\.77\.0\.1\d\d$/);
  t.not(first.address, second.address);

  await loseDatabase();
  t.match(daemon.log(), /the database is gone, although Tinderbox ran here before/);

  // Before anybody has renewed: the first address of the range is in use, and nobody has told.
  const newcomer = await runUdhcpc(clara, '52:54:00:aa:01:03');
  t.equal(newcomer.code, 0, newcomer.output);
  t.notOk([first.address, second.address].includes(newcomer.address), `${newcomer.address} is free`);

  const renewals = (await first.log()).split('\n').length;
  await waitUntil('the first one renews', async () => (await first.log()).split('\n').length > renewals, {
    limit: 120_000,
  });
  t.match(
    await first.log(),
    new RegExp(`RENEW ${first.address}\n$`),
    'a machine that renews keeps its address',
  );
  t.notMatch(await first.log(), /EXPIRE|FAIL/);

  await loseDatabase();
  await second.again();
  t.match(await second.log(), new RegExp(`REBOOT ${second.address}\n$`), 'and so does one that starts again');
  await daemon.stop();
  const reader = await openStoreReadOnly(path.join(daemon.folder, 'var/tinderbox.db'));
  t.ok(await reader.findMachine('52:54:00:aa:01:02' as never), 'it is known again');
  await reader.close();
});

await t.test('an address that another host has taken by hand is not offered', async (t) => {
  await berta.run(['ip', 'address', 'flush', 'dev', 'eth0']);
  await berta.run(['ip', 'address', 'add', '10.77.0.110/24', 'dev', 'eth0']);
  await loseDatabase();
  const asked = await runUdhcpc(clara, '52:54:00:aa:01:04', ['-r', '10.77.0.110']);
  t.equal(asked.code, 0, asked.output);
  t.not(asked.address, '10.77.0.110');
});
