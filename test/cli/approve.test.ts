import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { formatWaiting, waitingOf } from '../../src/cli/format-waiting.ts';
import { runCli } from '../../src/cli/program.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';
import type { HistoryBatch } from '../../src/store/port.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const OTHER = '52:54:00:00:00:02' as Mac;
const T0 = Date.UTC(2026, 0, 2, 3, 4, 5);
const MACHINES = '# mine\nrules:\n  - { match: { serial: "CZ*" }, role: worker } # racks\ndefault: none\n';

/** A configuration with a worker and a role that holds, and a database in which these were seen; no daemon. */
async function makeSite(history?: Partial<HistoryBatch>) {
  const folder = await mkdtemp(join(tmpdir(), 'tinderbox-approve-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const files = {
    'tinderbox.yaml':
      'network: { interface: lo }\nadmission: approve\ncluster: { apiServer: https://10.77.0.1:6443 }\n',
    'profiles/machines.yaml': MACHINES,
    'profiles/worker/role.yaml': 'boot: { kernel: /assets/vmlinuz }\nidentity: worker\n',
    'profiles/coreos/role.yaml':
      'boot: { kernel: /assets/vmlinuz }\nidentity: worker\ncredentials: { nodeName: address }\n',
    'profiles/hold/role.yaml': 'boot: hold\n',
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  if (history !== undefined) {
    const store = await openStore({ file: join(folder, 'var/tinderbox.db'), durability: 'process' });
    await store.appendHistory({ machines: [], sessions: [], events: [], ...history });
    await store.close();
  }
  return {
    machines: () => readFile(join(folder, 'profiles/machines.yaml'), 'utf8'),
    async run(...argv: readonly string[]) {
      let stdout = '';
      let stderr = '';
      const code = await runCli([...argv, '--config', join(folder, 'tinderbox.yaml')], {
        out: (text) => void (stdout += text),
        err: (text) => void (stderr += text),
      });
      return { code, stdout, stderr };
    },
  };
}

const seen = { mac: MAC, firstSeen: T0, lastSeen: T0, serial: 'CZ1', manufacturer: 'HPE\u001b[2J' };
const session: Omit<BootSession, 'address'> = {
  id: 1,
  mac: MAC,
  openedAt: T0,
  updatedAt: T0,
  stage: 'firmware',
  stageTimes: {},
  waitingSince: T0,
};

const HARDWARE = {
  at: T0,
  source: 'ipxe',
  cpu: { model: '\u001b[2JXeon', count: 4 },
  memory: 64 * 2 ** 30,
  disks: [],
  network: [],
} as const;

t.test('without a MAC it lists who waits, one line each, the longest first', async (t) => {
  const waiting = [
    {
      machine: { ...seen, mac: OTHER, lastSeen: T0 + 50_000 },
      session: { ...session, waitingSince: T0 + 30_000 },
    },
    { machine: { ...seen, product: 'DL380', hardware: HARDWARE }, session: { ...session } },
    { machine: seen, session: { ...session, end: 'superseded' as const } },
    { machine: seen },
  ];
  const list = waitingOf({ machines: waiting.map(({ machine, ...rest }) => ({ machine, ...rest })) });
  t.equal(
    formatWaiting(list, T0 + 60_000),
    'MAC                WAITS  ASKED    ADDRESS  SERIAL  MACHINE       CPU          MEMORY\n' +
      `${MAC}  1m     1m ago   -        CZ1     HPE[2J DL380  4 × [2JXeon  64 GiB\n` +
      `${OTHER}  30s    10s ago  -        CZ1     HPE[2J        -            -\n`,
  );
  const site = await makeSite({ machines: [seen], sessions: [session] });
  t.match(await site.run('approve'), {
    code: 0,
    stdout: /\n52:54:00:12:34:56 .* CZ1 /,
    stderr: /not running/,
  });
  t.match(JSON.parse((await site.run('approve', '--json')).stdout), [
    { machine: { mac: MAC, serial: 'CZ1' }, session: { waitingSince: T0 } },
  ]);
  t.match(await site.run('approve', '--role', 'worker'), { code: 2, stderr: /which machine/ });
  t.match(await (await makeSite({})).run('approve'), { code: 0, stdout: 'No machine waits for approval.\n' });
});

t.test('what is known of the machine decides its role, where no other is given', async (t) => {
  const site = await makeSite({ machines: [seen] });
  t.match(await site.run('approve', MAC), {
    code: 0,
    stdout: /is approved: node-123456, role worker/,
    stderr: '',
  });
  t.equal(await site.machines(), `${MACHINES}machines:\n  ${MAC}: {}\n`);
  t.match(await site.run('approve', MAC), { code: 0, stdout: /is approved already: node-123456/ });
  const changed = await site.run('approve', MAC, '--role', 'coreos', '--hostname', 'edge-9', '--json');
  t.equal(changed.stderr, '');
  t.same(JSON.parse(changed.stdout), {
    mac: MAC,
    role: 'coreos',
    hostname: 'edge-9',
    changed: true,
    seen: true,
  });
  t.equal(await site.machines(), `${MACHINES}machines:\n  ${MAC}: { role: coreos, hostname: edge-9 }\n`);
});

t.test('a machine that would not boot all the same is not approved, and nothing is written', async (t) => {
  const held: HistoryBatch['machines'] = [{ ...seen, mac: OTHER, hostname: 'n1' }];
  const site = await makeSite({ machines: held, sessions: [{ ...session, mac: OTHER, hostname: 'n1' }] });
  const rows: [string[], number, RegExp][] = [
    [[MAC], 1, /has no role: .*default: none\n +Say what it is to be: .* --role ROLE \(coreos, worker\)/],
    [[MAC, '--role', 'hold'], 1, /would go on waiting with the role hold/],
    [[MAC, '--role', 'none'], 1, /the name of a role/],
    [[MAC, '--role', 'workr'], 1, /did you mean "worker"/],
    [
      [MAC, '--role', 'worker', '--hostname', 'n1'],
      1,
      new RegExp(`claim the hostname n1: ${MAC}, and ${OTHER}`),
    ],
    [[MAC, '--role', 'worker', '--hostname', '-n'], 2, /^tinderbox: --hostname '-n': .*\(RFC 1123\)/],
    [[MAC, '--role', 'worker', '--hostname', 'Node_7'], 2, /^tinderbox: --hostname 'Node_7': /],
    [[MAC, '--role', 'worker', '--hostname', 'n.example'], 2, /no domain/],
    [
      [MAC, '--role', 'worker', '--address', '10.99.0.1'],
      1,
      /^tinderbox: the address 10\.99\.0\.1 of 52:54:00:12:34:56 is in none of the networks [^\n]*\n[^\n]* Nothing was written\.\n$/,
    ],
    [[MAC, '--role', 'worker', '--address', '10.77.0'], 2, /is not an IPv4 address/],
    [['machine'], 2, /is not a MAC/],
  ];
  for (const [args, code, message] of rows) {
    const result = await site.run('approve', ...args);
    t.match(result, { code, stderr: message }, args.join(' '));
    if (args.includes('--hostname') && args.at(-1) !== 'n1') {
      const [mac = '', , role = '', ...rest] = args;
      t.match(
        await site.run('assign', mac, role, ...rest),
        { code, stderr: message },
        'assign says the same',
      );
    }
  }
  t.equal(await site.machines(), MACHINES);
  t.match(await site.run('approve', MAC, '--role', 'worker'), {
    code: 0,
    stdout: /role worker.*\nNote: 52:54:00:12:34:56 was never seen here/,
  });
});

t.test('where no daemon runs, forget removes the entry and says what stays', async (t) => {
  const address = 0x0a4d0009 as NonNullable<BootSession['address']>;
  const booted = { ...session, role: 'coreos', hostname: 'n1', address };
  const site = await makeSite({ machines: [seen], sessions: [booted] });
  await site.run('approve', MAC, '--role', 'worker');
  const forgotten = await site.run('forget', MAC);
  t.match(forgotten, { code: 0, stdout: /no entry in machines\.yaml any more\.\n.*its history stays until/ });
  t.match(forgotten.stdout, 'Its Node may be left over: kubectl delete node 10.77.0.9\n');
  t.equal(await site.machines(), `${MACHINES}machines:\n`);
  t.match(await site.run('forget', MAC), { code: 1, stderr: /has no entry, and tinderbox is not running/ });
  t.match(await site.run('forget', OTHER), { code: 1, stderr: /has no entry and was never seen/ });
  await site.run('approve', OTHER, '--role', 'worker');
  t.same(JSON.parse((await site.run('forget', OTHER, '--json')).stdout), {
    mac: OTHER,
    entry: true,
    place: false,
    history: 'none',
    nodes: [],
  });
  t.match(await site.run('forget', 'x'), { code: 2, stderr: /is not a MAC/ });
});
