import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { LOOP_LIMIT } from '../src/boot/detect-boot-loop.ts';
import { identifyClient } from '../src/boot/identify-client.ts';
import { formatExplanation } from '../src/cli/format-explanation.ts';
import { loadConfig } from '../src/config/load.ts';
import { createAssigned } from '../src/describe-assigned.ts';
import { explainMachine, previewMasked } from '../src/explain-machine.ts';
import { openOfflineSources } from '../src/explain-offline.ts';
import { createLoggers } from '../src/logger.ts';
import { architectureByName } from '../src/machine/architecture.ts';
import type { Mac } from '../src/machine/mac.ts';
import { networksOf } from '../src/provisioning.ts';
import { watchBootLoops } from '../src/servers/watch-boot-loops.ts';
import { createJournal } from '../src/store/journal.ts';
import { openStore } from '../src/store/sqlite-store.ts';
import { ROLE } from './interop/support/daemon-site.ts';
import { ip } from './support/make-environment.ts';
import { makeRequest, UEFI_ROM } from './support/make-request.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const NEW = '52:54:00:99:99:99' as Mac;
const OTHER = '52:54:00:99:99:98' as Mac;
const T0 = 1_700_000_000_000;
const MACHINES = `machines:
  52:54:00:12:34:56: { role: worker, hostname: one, address: 10.77.0.10, parameters: { password: hunter2! } }
rules:
  - { match: { arch: arm64 }, role: worker }
default: worker
`;

/** A folder as a daemon left it, as seen from a host whose eth1 has 10.77.0.1. */
async function sourcesOf(t: Test, config: string, machines = MACHINES) {
  const folder = await mkdtemp(join(tmpdir(), 'tb-explain-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const files: Record<string, string> = {
    'tinderbox.yaml': `network: { interface: eth1 }\n${config}`,
    'profiles/machines.yaml': machines,
    'profiles/worker/role.yaml': `${ROLE}parameters: { password: '' }\n`,
    'profiles/worker/cloud-config.yaml.hbs':
      '#cloud-config\nhostname: {{machine.hostname}}\nwrite_files:\n  - path: /etc/p\n    content: {{quote parameters.password}}\n',
    'assets/vmlinuz': 'k',
    'assets/initrd.gz': 'i',
  };
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), text);
  }
  await mkdir(join(folder, 'var'), { mode: 0o700 });
  const store = await openStore({ file: join(folder, 'var/tinderbox.db'), durability: 'process' });
  const { store: logger } = createLoggers({ level: 'silent' });
  const journal = createJournal({
    store,
    state: await store.load(),
    clock: () => T0,
    idleTime: 3_600_000,
    logger,
  });
  journal.record({
    at: T0,
    kind: 'dhcp.discover',
    outcome: 'answered',
    asked: 'DISCOVER',
    answered: 'OFFER',
    reasons: identifyClient(makeRequest(UEFI_ROM)).client?.reasons ?? [],
    mac: MAC,
    via: 'eth1',
    stage: 'offered',
    client: 'rom',
    facts: { mac: MAC, arch: 'x86_64' },
  });
  await journal.flush();
  await journal.close();
  await store.close();
  const { config: resolved } = await loadConfig(join(folder, 'tinderbox.yaml'), {});
  const offline = await openOfflineSources(resolved, T0 + 60_000);
  t.teardown(() => offline[Symbol.asyncDispose]());
  const eth1 = { name: 'eth1', addresses: [{ address: ip('10.77.0.1'), prefix: 24 }], mtu: 1500, up: true };
  return {
    ...offline.sources,
    networks: networksOf(resolved, [eth1]),
    isBootfilePresent: (file: string) => file === 'snponly.efi' || file === 'undionly.kpxe',
  };
}

t.test('a machine that booted is explained from its entry to its last event', async (t) => {
  const sources = await sourcesOf(t, 'dhcp: { mode: server, range: 10.77.0.100-10.77.0.199 }\n');
  const view = await explainMachine(sources, MAC);
  t.match(view, {
    mac: MAC,
    machine: { mac: MAC, via: 'eth1' },
    session: { stage: 'offered' },
    assignment: {
      from: 'entry',
      role: 'worker',
      hostname: 'one',
      address: '10.77.0.10',
      line: 2,
      revision: /^[0-9a-f]{16}$/,
    },
    decision: 'boot',
    message: 'It boots as one, role worker',
    bootfile: { architecture: 'uefi-x64', file: 'snponly.efi' },
    dhcp: { mode: 'server', interface: 'eth1' },
    preview: { role: 'worker', hostname: 'one', script: /kernel .*\/assets\/vmlinuz/ },
    problems: [],
    lastEvent: { kind: 'dhcp.discover' },
  });
  t.same(
    view.dhcp.answers.map(({ asked, answer }) => [asked, answer]),
    [
      ['DISCOVER of its firmware (UEFI x64)', 'OFFER, 10.77.0.10, boot snponly.efi'],
      ['DISCOVER of its iPXE', 'OFFER, 10.77.0.10, boot http://10.77.0.1/boot.ipxe'],
    ],
  );
  t.notMatch(JSON.stringify(view), /hunter2/, 'no secret is in it');
  const text = formatExplanation(view, T0 + 60_000);
  const { hostname: _hostname, address: _address, ...entry } = view.assignment;
  const once = { role: 'install', state: 'next', tries: 0, standing: 'one' } as const;
  const before = { ...view, assignment: { ...entry, from: 'once', role: 'install', once } as const };
  t.match(
    formatExplanation(before, T0),
    /install, from once: of its entry \(.*\), once: install \(at its next/,
  );
  for (const part of [
    /machines\.yaml:2/,
    /snponly\.efi for uefi-x64/,
    /offered \+0\.0s/,
    /server mode on eth1/,
  ])
    t.match(text, part);
});

t.test('a machine is told the address of the interface that it is heard on', async (t) => {
  const sources = await sourcesOf(t, 'dhcp: { mode: proxy }\n');
  const { interfaces } = sources.networks;
  const eth0 = { name: 'eth0', addresses: [{ address: ip('10.66.0.1'), prefix: 24 }], mtu: 1500, up: true };
  const view = await explainMachine(
    { ...sources, networks: { ...sources.networks, interfaces: [eth0, ...interfaces] } },
    MAC,
  );
  t.equal(view.dhcp.interface, 'eth1');
  t.match(view.preview?.script, 'http://10.77.0.1/assets/vmlinuz');
});

t.test('a ROM that takes its loader again and again is explained as it is answered', async (t) => {
  const loops = watchBootLoops();
  const rom = identifyClient(makeRequest(UEFI_ROM)).client;
  if (rom === undefined) throw new Error('a ROM');
  const sources = { ...(await sourcesOf(t, 'dhcp: { mode: proxy, uefiProxy: offer }\n')), loops };
  const explained = async () => (await explainMachine(sources, MAC)).dhcp.answers[0];
  for (let round = 0; round < LOOP_LIMIT; round++) {
    t.match(await explained(), { answer: /snponly/ }, `round ${round}`);
    const at = sources.now - 100_000 + round * 1000;
    loops.notice({
      at,
      kind: 'tftp.done',
      outcome: 'answered',
      asked: 'RRQ snponly.efi',
      answered: '',
      reasons: [],
      mac: MAC,
    });
    loops.look(rom, at + 1);
  }
  t.match(await explained(), { answer: '', reasons: /boot loop/ });
});

t.test('one that was never seen is explained for the firmware that is assumed', async (t) => {
  const sources = await sourcesOf(t, 'dhcp: { mode: proxy }\n');
  const unknown = await explainMachine(sources, NEW);
  t.match(unknown, { assignment: { from: 'default', role: 'worker', revision: 'absent' }, decision: 'boot' });
  t.equal(unknown.bootfile, undefined);
  t.match(unknown.assignment.reasons.join(), /arch=arm64 does not match: its arch is not known yet/);
  t.match(formatExplanation(unknown, T0), /never seen\n.*--arch/s);
  const view = await explainMachine(sources, NEW, architectureByName('uefi-x64'));
  t.match(view.bootfile, { file: 'snponly.efi' });
  t.match(
    view.dhcp.answers.map(({ asked, answer }) => `${asked}: ${answer}`),
    [/firmware.*: OFFER, boot/, /port 4011: OFFER, boot snponly\.efi/, /iPXE: OFFER, boot http/],
  );
  const arm = await explainMachine(sources, NEW, architectureByName('uefi-arm64'));
  t.match(arm.bootfile, {
    file: undefined,
    reasons: [/as if/, /snponly-arm64\.efi .* is missing: put it into/],
  });
  t.match(arm.dhcp.answers[0], { answer: '' });
});

t.test('who waits, is refused or does not render is told why', async (t) => {
  const rows: [string, string, string, object][] = [
    [
      'waits',
      'admission: approve\n',
      MACHINES,
      { decision: 'wait', message: /tinderbox approve/, reasons: [/^admission: approve, and/] },
    ],
    ['refused', 'admission: listed\n', MACHINES, { decision: 'refuse', message: /not listed/ }],
    [
      'no role',
      '',
      'default: none\n',
      { decision: 'refuse', message: /has no role/, assignment: { from: 'none' } },
    ],
  ];
  for (const [name, config, machines, expected] of rows) {
    const sources = await sourcesOf(t, config, machines);
    const view = await explainMachine(sources, NEW);
    t.match(view, expected, name);
    t.equal(view.preview, undefined, name);
    t.match(formatExplanation(view, T0), /decision +(wait|refuse): /, name);
  }
});

t.test('a preview may be of another role, and holds no secret', async (t) => {
  const sources = await sourcesOf(t, 'admission: approve\n');
  t.match(await previewMasked(sources, MAC), { config: /\*{8}/ });
  await t.rejects(previewMasked(sources, NEW), { code: 'refused' });
  t.match(await previewMasked(sources, NEW, 'worker'), { role: 'worker', script: /kernel/ });
  await t.rejects(previewMasked(sources, NEW, 'wroker'), { code: 'not-found', remedy: /worker/ });
});

t.test('a page of a list is told what each machine boots next, and the revision of its entry', async (t) => {
  const sources = await sourcesOf(t, 'admission: approve\n');
  const assigned = createAssigned(() => sources);
  const views = await assigned([{ mac: MAC }, { mac: NEW }, { mac: OTHER, arch: 'arm64' }]);
  const { assignment } = await explainMachine(sources, MAC);
  t.same(views.get(MAC), { role: 'worker', revision: assignment.revision });
  t.same(views.get(NEW), { revision: 'absent' }, 'it waits: no role yet');
  const open = createAssigned(() => ({ ...sources, config: { ...sources.config, admission: 'open' } }));
  t.same((await open([{ mac: OTHER, arch: 'arm64' }])).get(OTHER), { role: 'worker', revision: 'absent' });
});
