import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { BootEvent } from '../../src/machine/event.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { askScript } from './support/curl.ts';
import { CONFIG, createSite, type Site, waitUntil } from './support/daemon-site.ts';
import { bootMachines, createLab, type Lab } from './support/dhcp-lab.ts';
import type { MachineOutcome, MachinesOrder } from './support/virtual-machines-port.ts';

const MAC = '52:54:00:12:34:56';
const lab: Lab = await createLab();
t.teardown(() => lab[Symbol.asyncDispose]());
const server = lab.network.namespace;
const client = await lab.addClient('10.77.0.3/24');

const macOf = (number: number): string =>
  number
    .toString(16)
    .padStart(12, '0')
    .replaceAll(/..(?=.)/g, '$&:');

function boot(order: Partial<MachinesOrder> = {}): Promise<readonly MachineOutcome[]> {
  return bootMachines(client, {
    interface: 'eth0',
    count: 1,
    firstMac: 0x525400123456,
    arch: 'uefi-x64',
    until: 'report',
    pace: 0.1,
    timeout: 60_000,
    ...order,
  });
}

interface Timeline {
  readonly session: BootSession;
  readonly events: readonly BootEvent[];
}

async function timelineOf(site: Site, mac = MAC): Promise<Timeline> {
  const { stdout } = await site.run('machines', mac, '--json');
  return JSON.parse(stdout) as Timeline;
}

async function waiting(site: Site): Promise<readonly string[]> {
  const { stdout } = await site.run('approve', '--json');
  return (JSON.parse(stdout) as { machine: { mac: string } }[]).map(({ machine }) => machine.mac);
}

const machinesOf = (site: Site): Promise<string> =>
  readFile(join(site.folder, 'profiles/machines.yaml'), 'utf8');

/** A machines.yaml that gives this one the hostname n1. */
function machines(mac: string): string {
  return `machines:\n  ${mac}: { role: worker, hostname: n1 }\n`;
}

const APPROVE = { 'tinderbox.yaml': `${CONFIG}admission: approve\n` };

await t.test('a machine waits on its screen, is approved, and boots without being reset', async (t) => {
  await using site = await createSite(server, {
    ...APPROVE,
    'profiles/machines.yaml': '# mine\ndefault: worker\n',
  });
  await site.serve();
  t.match(await site.run('approve'), { code: 0, stdout: 'No machine waits for approval.\n' });
  const booting = boot({ questions: 1_000 });
  await waitUntil('it waits', async () => (await waiting(site)).includes(MAC));
  t.match((await site.run('approve')).stdout, new RegExp(`^${MAC} +\\d+s +\\d+s ago +10\\.77\\.0\\.`, 'm'));
  t.match((await site.run('machines')).stdout, new RegExp(`^${MAC} .* waits for approval \\(\\d+s\\) `, 'm'));
  t.type((await timelineOf(site)).session.waitingSince, 'number');

  const approved = await site.run('approve', MAC, '--hostname', 'edge-9');
  t.match(approved, { code: 0, stdout: /is approved: edge-9, role worker; / });
  const [outcome] = await booting;
  t.ok(outcome?.ok, 'it boots', { steps: outcome?.steps });
  t.equal(outcome?.hostname, 'edge-9');
  t.equal(outcome?.steps.filter(({ step }) => step === 'rom-discover').length, 1, 'switched on once');
  const screen = outcome?.console.join('\n');
  t.match(screen, `Tinderbox: This machine waits for approval: tinderbox approve ${MAC}\n`);
  t.match(screen, `Tinderbox: MAC ${MAC}\nTinderbox: address 10.77.0.`);
  t.match(screen, 'asking again in 5 s');
  t.equal(await machinesOf(site), `# mine\ndefault: worker\nmachines:\n  ${MAC}: { hostname: edge-9 }\n`);
  t.same(await waiting(site), []);
  const { session, events } = await timelineOf(site);
  t.match(session, { stage: 'booted', hostname: 'edge-9' });
  t.notOk('waitingSince' in session);
  t.equal(events.filter(({ kind }) => kind === 'session.opened').length, 1, 'all in one session');
  t.match(await site.run('approve', MAC), { code: 0, stdout: /is approved already: edge-9, role worker/ });

  t.match(await site.run('forget', MAC), {
    code: 0,
    stdout: /no entry .* any more\.\nIts history is forgotten/,
  });
  t.equal(await machinesOf(site), '# mine\ndefault: worker\nmachines:\n');
  t.match(await site.run('machines', MAC), { code: 1, stderr: /was never seen/ });
  t.match((await askScript(server, MAC)).script, /waits for approval/, 'it is new');
  t.match(await site.run('forget', MAC, '--json'), {
    code: 0,
    stdout: /"entry":false.*"history":"forgotten"/,
  });
  t.match(await site.run('forget', MAC), { code: 1, stderr: /no entry and was never seen/ });
});

await t.test('a rule admits so many, however many ask at once; forgetting one makes room', async (t) => {
  const rule = '{ match: { mac: "52:54:*" }, role: worker, max: 2 }';
  await using site = await createSite(server, {
    ...APPROVE,
    'profiles/machines.yaml': `rules:\n  - ${rule}\n`,
  });
  const daemon = await site.serve();
  const outcomes = await boot({ count: 3, pace: 0.05, firstMac: 0x525400000001 });
  const booted = outcomes.filter(({ ok }) => ok).map(({ mac }) => mac);
  const [left, ...none] = outcomes.filter(({ ok }) => !ok).map(({ mac }) => mac);
  t.equal(booted.length, 2, 'two boot');
  t.same(none, []);
  t.same(await waiting(site), [left]);
  const reasonsOf = async (mac = ''): Promise<string> =>
    (await timelineOf(site, mac)).events.flatMap(({ reasons }) => reasons).join('\n');
  t.match(await reasonsOf(left), 'the rule on line 2 admits no more (2 of 2)');
  t.match(await reasonsOf(booted[0]), /the rule on line 2 admits it \([12] of 2\)/);
  t.match(await site.run('render', left ?? ''), { code: 1, stderr: /waits for approval.*2 of 2/s });
  t.equal((await site.run('render', booted[0] ?? '')).code, 0);

  daemon.signal('SIGTERM');
  await daemon.ended;
  await site.write({
    'profiles/machines.yaml': `rules:\n  - { match: { arch: arm64 }, role: worker }\n\n  - ${rule}\n`,
  });
  await site.serve();
  t.match((await askScript(server, left ?? '')).script, /waits for approval/, 'a restart forgets nobody');
  t.match((await askScript(server, booted[0] ?? '')).script, /\nkernel /, 'nor does another line');
  const forgotten = await site.run('forget', booted[0] ?? '');
  t.match(forgotten, {
    code: 0,
    stdout: /had no entry.*history is forgotten.*\nThe place .* is free again/s,
  });
  t.match((await askScript(server, left ?? '')).script, /\nkernel /, 'there is room');
  t.match((await askScript(server, booted[0] ?? '')).script, /waits for approval/, 'and then no more');

  await site.write({ 'profiles/machines.yaml': `rules:\n  - { match: {}, role: worker, max: 5 }\n` });
  const scripts = await Promise.all(
    Array.from({ length: 12 }, (_, index) => askScript(server, macOf(0x525400aa0000 + index))),
  );
  t.equal(scripts.filter(({ script }) => script.includes('\nkernel ')).length, 5, 'of twelve at once');
});

await t.test('the second of two machines that claim one hostname is refused, with both named', async (t) => {
  const other = '52:54:00:00:00:01';
  await using site = await createSite(server, { 'profiles/machines.yaml': machines(other) });
  const daemon = await site.serve();
  t.match((await askScript(server, other)).script, `${other} is n1`);
  await site.write({ 'profiles/machines.yaml': machines(MAC) });
  const said = new RegExp(`claim the hostname n1: ${MAC}, and ${other}.*tinderbox forget ${other}`);
  t.match((await askScript(server, MAC)).script, said, 'on its screen');
  const { events } = await timelineOf(site);
  t.match(events.at(-1), { outcome: 'refused', answered: said, reasons: [/open/, /role/, /last booted/] });
  t.ok(daemon.lines().some(({ part, level, msg }) => part === 'http' && level === 40 && said.test(msg)));
  t.match(await site.run('approve', MAC), { code: 1, stderr: said });

  await site.write({
    'profiles/machines.yaml': `${machines(MAC)}  ${other}: { role: worker, hostname: n2 }\n`,
  });
  t.match((await askScript(server, MAC)).script, `${MAC} is n1`, 'the other was given another name');
  await site.write({ 'profiles/machines.yaml': machines(other) });
  t.match((await askScript(server, other)).script, /claim the hostname n1/, 'now it is the other way round');
  t.equal((await site.run('forget', MAC)).code, 0);
  t.match((await askScript(server, other)).script, `${other} is n1`);
});

await t.test('hold waits for a role, local boots the disk, and neither needs a kernel', async (t) => {
  await using site = await createSite(server, {
    'profiles/hold/role.yaml': 'boot: hold\n',
    'profiles/local/role.yaml': 'boot: local\n',
    'profiles/machines.yaml': 'default: hold\n',
  });
  t.match(await site.run('check'), { code: 0 });
  await site.serve();
  const booting = boot({ questions: 1_000 });
  await waitUntil('it waits', async () => (await waiting(site)).includes(MAC));
  const refused: [string[], RegExp][] = [
    [
      [MAC],
      /would go on waiting with the role hold.*\n.*approve 52:54:00:12:34:56 --role ROLE \(local, worker\)/,
    ],
    [[MAC, '--role', 'hold'], /would go on waiting/],
    [[MAC, '--role', 'workr'], /workr/],
    [[MAC, '--role', 'worker', '--address', '10.99.0.1'], /10\.99\.0\.1/],
  ];
  for (const [args, message] of refused) {
    t.match(await site.run('approve', ...args), { code: 1, stderr: message }, args.join(' '));
  }
  t.match(await site.run('approve', MAC, '--role', 'worker', '--hostname', 'n_1'), {
    code: 2,
    stderr: /--hostname 'n_1': a hostname has .* letters, digits and inner hyphens \(RFC 1123\)/,
  });
  t.equal(await machinesOf(site), 'default: hold\n', 'nothing was written');
  const approved = await site.run('approve', MAC, '--role', 'worker', '--json');
  t.match(JSON.parse(approved.stdout), { mac: MAC, role: 'worker', changed: true, seen: true });
  const [outcome] = await booting;
  t.ok(outcome?.ok, 'it boots', { steps: outcome?.steps });
  t.match(outcome?.console.join('\n'), `waits (role hold): tinderbox approve ${MAC} --role ROLE`);

  t.match(await site.run('assign', MAC, 'local'), { code: 0 });
  for (const arch of ['bios', 'uefi-x64']) {
    const [local] = await boot({ arch });
    t.match(local, { ok: true, localDisk: true, role: 'local' }, arch);
    t.match((await timelineOf(site)).session, { stage: 'script', end: 'handed-over', role: 'local' }, arch);
  }
});
