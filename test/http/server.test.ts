import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { BootPlan } from '../../src/boot/boot-plan.ts';
import { chooseHostname } from '../../src/boot/choose-hostname.ts';
import { TinderboxError } from '../../src/errors.ts';
import { createLoggers } from '../../src/logger.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { Role } from '../../src/machine/role.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { buildContext } from '../../src/render/build-context.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { bootstrapScript, machineScript, refusalScript, waitScript } from '../../src/render/render-script.ts';
import { createJournal } from '../../src/store/journal.ts';
import { createOnceBook } from '../../src/store/once-book.ts';
import { openStore } from '../../src/store/sqlite-store.ts';
import { createFakeJournal, type FakeJournal } from './fake-journal.ts';
import { bootPlan, exchange, startTestServer, testRole } from './start-test-server.ts';

const MAC = '52:54:00:12:34:56';

async function get(url: string, init?: RequestInit) {
  const response = await fetch(url, { redirect: 'manual', ...init });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** What a machine does first; gives back the URL of its session. */
async function fetchScript(url: string, mac = MAC): Promise<string> {
  const { text } = await get(`${url}/ipxe?mac=${mac}`);
  return /(http:\S+)\/cloud-config/.exec(text)?.[1] ?? 'no URL in the script';
}

t.test(
  'the bootstrap script is made for the address that was reached and recorded without a stage',
  async (t) => {
    const { url, journal } = await startTestServer(t);
    const answer = await get(`${url}/boot.ipxe`);
    t.equal(answer.status, 200);
    t.equal(answer.text, `#!ipxe\nbootstrap ${url}\n`);
    t.equal(answer.headers.get('content-length'), String(answer.text.length));
    t.match(journal.observations, [
      { kind: 'http.boot-script', outcome: 'answered', via: 'lo', asked: 'GET /boot.ipxe' },
    ]);
    t.equal(journal.observations[0]?.stage, undefined);
  },
);

t.test('a configured URL replaces the address in what machines are told', async (t) => {
  const { url } = await startTestServer(t, { url: 'http://boot.example' });
  t.match((await get(`${url}/boot.ipxe`)).text, 'bootstrap http://boot.example\n');
  t.match(await fetchScript(url), /^http:\/\/boot\.example\/boot\/1-/);
});

t.test('a machine gets its script and the session knows what was decided', async (t) => {
  const { url, journal } = await startTestServer(t);
  const query =
    'mac=52-54-00-12-34-56&uuid=12345678-ABCD-0000-0000-000000000001&serial=S%201&asset=&arch=i386&platform=efi' +
    '&manufacturer=QEMU&product=Standard%20PC';
  const answer = await get(`${url}/ipxe?${query}`);
  t.equal(answer.status, 200);
  t.match(
    answer.text,
    /^#!ipxe\nworker node-1 http:\/\/127\.0\.0\.1:\d+\/boot\/1-[\w-]{32}\/cloud-config\n$/,
  );
  t.match(journal.observations.at(-1), {
    kind: 'http.script',
    outcome: 'answered',
    client: 'script',
    stage: 'script',
    reasons: ['rule 1 gives role worker'],
    facts: {
      mac: MAC,
      uuid: '12345678-abcd-0000-0000-000000000001',
      serial: 'S 1',
      arch: 'x86',
      platform: 'efi',
      manufacturer: 'QEMU',
      product: 'Standard PC',
      address: 0x7f000001,
    },
  });
  t.notOk('asset' in (journal.observations.at(-1)?.facts ?? {}), 'what firmware leaves empty is not a fact');
  t.match(journal.sessionById(1), {
    role: 'worker',
    hostname: 'node-1',
    address: 0x7f000001,
    stage: 'script',
  });
  t.equal(journal.macAt(0x7f000001 as never), MAC, 'later requests from this address are its');
});

t.test('a machine that was reset gets the URL of its new session, not of the old one', async (t) => {
  const { url, journal } = await startTestServer(t);
  const first = await fetchScript(url);
  t.equal((await get(`${first}/cloud-config`)).status, 200);
  const second = await fetchScript(url);
  t.match(first, '/boot/1-');
  t.match(second, '/boot/2-');
  t.equal(journal.sessionById(1)?.end, 'superseded');
  t.equal((await get(`${second}/cloud-config`)).status, 200);
  const late = await get(`${first}/cloud-config`);
  t.equal(late.status, 410, 'the old URL is dead');
  t.match(late.text, /another one\n$/);
});

t.test('junk from SMBIOS is left out and noted, and does not stop a boot', async (t) => {
  const { url, journal } = await startTestServer(t);
  const answer = await get(
    `${url}/ipxe?mac=${MAC}&uuid=nonsense&arch=vax&platform=dos&serial=%1b%5b31mX%ff%00`,
  );
  t.equal(answer.status, 200);
  const { facts, reasons } = journal.observations.at(-1) ?? {};
  t.equal(facts?.uuid, undefined);
  t.equal(facts?.arch, undefined);
  t.equal(facts?.platform, undefined);
  t.notMatch(facts?.serial ?? '', '\u001b');
  t.equal(reasons?.filter((reason) => /nonsense|vax|dos/.test(reason)).length, 3);
});

t.test('what iPXE reads of the hardware is kept with the machine, and told once', async (t) => {
  const { url, journal } = await startTestServer(t);
  const told = 'cpu=Xeon%3cb%3e%1b%5b1m&ram=00000000ffff0700&bios-vendor=AMI&chip=virtio-net';
  const ask = (mac: string, more: string) =>
    get(`${url}/ipxe?mac=${mac}&platform=efi&hardware=ipxe&${more}`).then(({ status }) => status);
  t.equal(await ask(MAC, told), 200);
  t.equal(await ask(MAC, told), 200);
  const known = journal.machine(MAC as Mac)?.hardware;
  t.match(known, { source: 'ipxe', cpu: { model: 'Xeon<b>' }, memory: 2 ** 29, firmware: { kind: 'uefi' } });
  const events = () => journal.observations.filter(({ kind }) => kind === 'http.hardware');
  t.match(events(), [{ outcome: 'noted', reasons: ['Xeon<b>, 512 MiB memory, 1 network card'] }]);
  t.equal(events().length, 1, 'what is nothing new is no event');
  const asked = journal.observations.find(({ kind }) => kind === 'http.script')?.asked;
  t.equal(asked, `GET /ipxe?mac=${MAC}&platform=efi`, 'the question stays readable');
  for (const odd of ['cpu=a&cpu=b', `cpu=${'x'.repeat(3_000)}`, 'ram=%00', 'cpu[]=1'])
    t.equal(await ask('52:54:00:00:00:77', odd), 200, `${odd.slice(0, 20)} stops no boot`);
});

t.test('a machine posts what it is made of within its session, and iPXE does not replace it', async (t) => {
  const { url, journal } = await startTestServer(t);
  const session = await fetchScript(url);
  const post = (body: string) => get(`${session}/report`, { method: 'POST', body });
  const answer = await post('{"hardware":{"memory":1073741824,"disks":[{"name":"sda"}]}}');
  t.same([answer.status, answer.text], [200, 'ok\n']);
  t.match(journal.observations.at(-1), {
    kind: 'http.hardware',
    sessionId: 1,
    reasons: ['1 GiB memory, 1 disk'],
    hardware: { source: 'linux', memory: 2 ** 30 },
  });
  t.not(journal.sessionById(1)?.stage, 'booted', 'it is no progress');
  await get(`${url}/ipxe?mac=${MAC}&cpu=Xeon`);
  t.equal(journal.machine(MAC as Mac)?.hardware?.source, 'linux', 'Linux knows more');
  for (const bad of [
    '{"hardware":5}',
    '{"hardware":{}}',
    '{"hardware":[]}',
    '{"hardware":null}',
    'hardware=x',
    '{"hardware":{"memory":-1}}',
  ]) {
    const refused = await post(bad);
    t.equal(refused.status, 400, bad);
    t.match(refused.text, /^hardware is no object with .*\n$/);
  }
  t.equal(
    (
      await get(`${url}/boot/1-${'a'.repeat(32)}/report`, {
        method: 'POST',
        body: '{"hardware":{"memory":1}}',
      })
    ).status,
    404,
  );
});

t.test('what is no boot query is refused with what to ask instead', async (t) => {
  const { url, journal } = await startTestServer(t);
  const bad: Record<string, string> = {
    '': 'mac is missing',
    'mac=': 'mac is missing',
    'mac=hello': 'is no MAC',
    'mac=52:54:00:12:34': 'is no MAC',
    [`mac=${MAC}&mac=${MAC}`]: 'more than once',
    [`mac=${MAC}&serial=${'x'.repeat(257)}`]: 'longer than 256',
  };
  for (const [query, message] of Object.entries(bad)) {
    const answer = await get(`${url}/ipxe?${query}`);
    t.equal(answer.status, 400, query);
    t.match(answer.text, message);
    t.match(answer.text, 'ask /ipxe?mac=');
    t.equal(answer.text.trim().split('\n').length, 1);
  }
  t.equal(journal.observations.length, 0);
  t.equal(journal.counters().get('http.bad-boot-query'), Object.keys(bad).length);
});

t.test(
  'a machine that waits or is refused gets a script that says so, and the reason is recorded',
  async (t) => {
    for (const kind of ['wait', 'refuse'] as const) {
      const { url, journal } = await startTestServer(t, {
        plan: () => ({ kind, message: 'not yet approved', reasons: ['admission is approve'] }),
      });
      const answer = await get(`${url}/ipxe?mac=${MAC}`);
      t.equal(answer.status, 200, 'iPXE shows no text of an error');
      t.equal(answer.text, `#!ipxe\n${kind === 'wait' ? 'wait' : 'refused'} not yet approved\n`);
      t.match(journal.observations.at(-1), { outcome: 'refused', reasons: ['admission is approve'] });
      t.equal(journal.observations.at(-1)?.stage, undefined, 'it has no script to boot');
      t.equal(journal.sessionById(1)?.waitingSince !== undefined, kind === 'wait', 'its session knows');
    }
  },
);

t.test('who is refused for its hostname is told of in the log, with the other machine', async (t) => {
  const holder = '52:54:00:00:00:99' as Mac;
  const { url, log } = await startTestServer(t, {
    plan: () => ({ kind: 'refuse', message: `${MAC} and ${holder} claim n1`, reasons: [], holder }),
  });
  await get(`${url}/ipxe?mac=${MAC}`);
  t.match(log(), `"holder":"${holder}"`);
  t.match(log(), `"msg":"${MAC} and ${holder} claim n1"`);
});

t.test('a session is handed over with the script that boots the own disk', async (t) => {
  const { url, journal } = await startTestServer(t, {
    plan: () => bootPlan({ ...testRole('local', false), boot: { kind: 'local' } }),
  });
  await get(`${url}/ipxe?mac=${MAC}`);
  t.match(journal.sessionById(1), { stage: 'script', end: 'handed-over', role: 'local', hostname: 'node-1' });
  await get(`${url}/ipxe?mac=${MAC}`);
  t.match(journal.sessionById(2), { end: 'handed-over' }, 'one that asks again is in another');
});

t.test('labels are what the machine said when it asked last, and it asks again with them', async (t) => {
  const { url, journal } = await startTestServer(t, {
    plan: () => ({ kind: 'wait', message: 'wait', reasons: [] }),
    renderer: {
      bootstrapScript,
      machineScript,
      waitScript,
      refusalScript,
      renderConfig,
    },
  });
  t.match(
    (await get(`${url}/boot.ipxe?region=west&rack=r%2F7`)).text,
    /hexhyp\}&rack=r%2F7&region=west&uuid=/,
  );
  t.match((await get(`${url}/ipxe?mac=${MAC}&region=a%2Bb&rack=$%7Bx%7D%20%7C%7C`)).text, /&region=a%2Bb&/);
  t.same(journal.machine(MAC as Mac)?.labels, { region: 'a+b' });
  t.notMatch((await get(`${url}/ipxe?mac=${MAC}`)).text, /region/);
  t.same(journal.machine(MAC as Mac)?.labels, {});
});

t.test('a session is handed over with the script of a kernel that is never heard of again', async (t) => {
  const role = testRole('memtest', false);
  const boot = { ...role.boot, handsOver: true } as Role['boot'];
  const { url, journal } = await startTestServer(t, { plan: () => bootPlan({ ...role, boot }) });
  await get(`${url}/ipxe?mac=${MAC}`);
  t.match(journal.sessionOf(MAC as Mac), { end: 'handed-over', stage: 'script', role: 'memtest' });
});

t.test(
  'what was chosen from a menu boots in the session of the menu, and gets its configuration',
  async (t) => {
    const choices = [{ role: 'worker', label: 'Worker', line: 3 }];
    const boot = { kind: 'menu', title: 'What now?', timeout: 30, default: 'worker', choices } as const;
    const menu: Role = { ...testRole('menu', false), boot };
    const { url, journal, tokens } = await startTestServer(t, {
      plan: (_facts, choice) => bootPlan(choice === 'worker' ? testRole('worker') : menu),
    });
    t.match((await get(`${url}/ipxe?mac=${MAC}`)).text, /menu node-1/);
    const before = journal.sessionOf(MAC as Mac);
    t.match(before, { role: 'menu', stage: 'script' });
    t.equal(before?.end, undefined, 'a person may look at it for long');
    t.match((await get(`${url}/ipxe?mac=${MAC}&choice=worker`)).text, /worker node-1/);
    const session = journal.sessionOf(MAC as Mac) as BootSession;
    t.match(session, { id: before?.id, role: 'worker' });
    t.equal((await get(`${url}/boot/${tokens.tokenFor(session)}/cloud-config`)).status, 200);
    t.equal(journal.sessionOf(MAC as Mac)?.end, undefined);
    t.match((await get(`${url}/ipxe?mac=${MAC}&choice=rescue`)).text, /menu node-1/, 'the next boot');
    t.match(journal.observations.at(-1)?.reasons, [
      'its choice rescue is none that a menu offers it: not heeded',
    ]);
    t.equal((await get(`${url}/ipxe?mac=${MAC}&choice=${'a'.repeat(300)}`)).status, 400);
    t.match((await get(`${url}/ipxe?mac=${MAC}&choice=a/b`)).text, /menu node-1/);
    t.match(journal.observations.at(-1)?.reasons, ['its choice "a/b" is no role']);
  },
);

t.test('a role whose script cannot be made is a failure that screen, log and timeline tell of', async (t) => {
  const { url, journal, log } = await startTestServer(t, {
    buildContext: () => {
      throw new TinderboxError('invalid-template', 'unknown variable `machine.nmae`');
    },
  });
  const answer = await get(`${url}/ipxe?mac=${MAC}`);
  t.match(
    answer.text,
    `refused the script of this machine could not be made; see: tinderbox machines ${MAC}`,
  );
  t.notMatch(answer.text, 'nmae');
  t.equal(journal.observations.length, 1);
  t.match(journal.observations[0], { outcome: 'failed', reasons: [/rule 1/, /nmae/] });
  t.match(log(), 'nmae');
  t.equal(journal.sessionById(1)?.role, undefined, 'nothing was assigned');
});

t.test('the configuration is the one for the machine of the session, and is a stage', async (t) => {
  const { url, journal, tokens } = await startTestServer(t);
  const sessions = [await fetchScript(url, MAC), await fetchScript(url, '52:54:00:00:00:02')];
  const answers = [await get(`${sessions[0]}/cloud-config`), await get(`${sessions[1]}/cloud-config`)];
  t.match(answers[0]?.text, /mac: 52:54:00:12:34:56\n/);
  t.match(answers[1]?.text, /mac: 52:54:00:00:00:02\n/);
  t.equal(answers[0]?.headers.get('content-length'), String(answers[0]?.text.length));
  t.match(answers[0]?.headers.get('content-type'), /^text\//);
  t.equal(journal.sessionById(1)?.stage, 'config');
  const said = JSON.stringify(journal.observations);
  for (const session of journal.sessions.values()) {
    t.notMatch(said, tokens.tokenFor(session), 'no token reaches the timeline');
  }
  t.match(said, '/boot/1-…/cloud-config');
});

t.test(
  'a machine that quotes its URL in a report, or asks for it encoded, gives no token away',
  async (t) => {
    const { url, journal, tokens, log } = await startTestServer(t);
    const session = await fetchScript(url);
    const known = journal.sessionById(1);
    if (known === undefined) return t.fail('no session');
    const token = tokens.tokenFor(known);
    const post = (body: string, query = '') => get(`${session}/report${query}`, { method: 'POST', body });
    const quote = `wget ${session}/cloud-config: 500`;
    t.equal((await post(JSON.stringify({ stage: 'failed', log: quote }))).status, 200);
    // What is cut off at either end must not lay a piece of it bare.
    t.equal((await post(JSON.stringify({ stage: 'failed', log: quote.padEnd(8_250, 'x') }))).status, 200);
    t.equal(
      (await post(JSON.stringify({ stage: 'failed', log: quote.replace('-', '-\u0000') }))).status,
      200,
    );
    t.equal((await post('stage=failed', `?log=${encodeURIComponent(quote)}`)).status, 200);
    t.equal((await post(`stage=${token}`)).status, 400);
    const encoded = `${token.slice(0, 5)}%${token.charCodeAt(5).toString(16)}${token.slice(6)}`;
    t.equal((await get(`${url}/%62oot/${token}/cloud-config`)).status, 200, 'the router decodes it');
    t.equal((await get(`${url}/boot/${encoded}/cloud-config`)).status, 200);
    const said = `${JSON.stringify(journal.observations)}${log()}`;
    for (const piece of [token.slice(2, 12), token.slice(-12)]) t.notMatch(said, piece);
    t.match(said, 'log: wget http://127.0.0.1');
  },
);

t.test('an error that quotes the configuration gives no token away', async (t) => {
  const { url, journal, tokens, log } = await startTestServer(t, {
    renderer: {
      bootstrapScript,
      machineScript,
      waitScript,
      refusalScript,
      renderConfig: (_role, { reportUrl }) => {
        const problem = { severity: 'error', message: `at: ${reportUrl}` } as const;
        throw new TinderboxError('invalid-template', `bad line: ${reportUrl}`, { problems: [problem] });
      },
    },
  });
  await fetchScript(url);
  const known = journal.sessionById(1);
  if (known === undefined) return t.fail('no session');
  const token = tokens.tokenFor(known);
  t.equal((await get(`${url}/boot/${token}/cloud-config`)).status, 500);
  t.match(log(), 'bad line: http://127.0.0.1');
  t.notMatch(`${log()}${JSON.stringify(journal.observations)}`, token.slice(-12));
});

t.test('two machines that would get the same name at the same moment get two', async (t) => {
  const journal = createFakeJournal();
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  const { url } = await startTestServer(t, {
    journal,
    async plan({ mac }) {
      const hostname = chooseHostname(mac, (name) => (journal.hostnameHolder(name) ?? mac) !== mac);
      // Both have chosen before either is recorded.
      if (++waiting === 2) gate.resolve();
      await gate.promise;
      return bootPlan(testRole(), hostname);
    },
  });
  const texts = await Promise.all(
    ['52:54:00:12:34:56', '52:54:01:12:34:56'].map(async (mac) => (await get(`${url}/ipxe?mac=${mac}`)).text),
  );
  const names = texts.map((text) => /worker (\S+)/.exec(text)?.[1]);
  t.equal(new Set(names).size, 2, names.join(' '));
  t.ok(names.includes('node-123456'));
});

t.test('a name that the operator gave to two machines is his to give', async (t) => {
  const { url } = await startTestServer(t);
  for (const mac of [MAC, '52:54:00:00:00:02']) {
    t.match((await get(`${url}/ipxe?mac=${mac}`)).text, 'worker node-1 ');
  }
});

t.test('what clients can repeat is logged once a second, and what is left out is counted', async (t) => {
  let now = 1_000_000;
  let broken = false;
  const { url, journal, log, assets } = await startTestServer(t, {
    clock: () => now,
    buildContext: (request) => {
      if (broken) throw new TinderboxError('invalid-template', 'it is broken');
      return buildContext({ ...request, cluster: undefined, subnets: [] });
    },
    findLoader: async () => {
      throw new Error('the loaders are gone');
    },
  });
  await writeFile(join(assets, 'image'), 'x');
  const session = await fetchScript(url);
  broken = true;
  const causes: Record<string, { ask: () => Promise<{ status: number }>; line: string; counter: string }> = {
    report: {
      ask: () => get(`${session}/report`, { method: 'POST', body: 'stage=failed' }),
      line: 'reports that it failed to boot',
      counter: 'http.unlogged.report',
    },
    script: {
      ask: () => get(`${url}/ipxe?mac=${MAC}`),
      line: 'the machine script failed',
      counter: 'http.unlogged.script',
    },
    config: {
      ask: () => get(`${session}/cloud-config`),
      line: 'the configuration could not be rendered',
      counter: 'http.unlogged.config',
    },
    request: {
      ask: () => get(`${url}/assets/ipxe/loader.efi`),
      line: 'a request failed',
      counter: 'http.unlogged.request',
    },
  };
  for (const [name, { ask, line, counter }] of Object.entries(causes)) {
    const lines = () => log().split(line).length - 1;
    for (let time = 0; time < 5; time++) await ask();
    t.equal(lines(), 1, name);
    t.equal(journal.counters().get(counter), 4, name);
    now += 1_000;
    await ask();
    t.equal(lines(), 2, `${name}, a second later`);
  }
});

t.test('a download that fails for a reason nobody foresaw is answered, counted and logged', async (t) => {
  const { url, assets, journal, log } = await startTestServer(t, {
    findLoader: async () => {
      throw new Error('the loaders are gone');
    },
    assetStage: () => {
      throw new Error('the stages are gone');
    },
  });
  const early = await get(`${url}/assets/ipxe/none.efi`, { signal: AbortSignal.timeout(10_000) });
  t.match(early, { status: 500, text: 'the request failed; the reason is in the log of tinderbox\n' });
  t.match(log(), 'the loaders are gone');
  await fetchScript(url);
  await writeFile(join(assets, 'image'), 'x');
  t.equal((await get(`${url}/assets/image`)).text, 'x', 'its bytes were on their way');
  t.equal(journal.counters().get('http.error.500'), 2);
  t.equal((await get(`${url}/healthz`)).status, 200);
});

t.test('an unknown session is 404, also for a forged token of a real one', async (t) => {
  const { url, journal } = await startTestServer(t);
  const session = await fetchScript(url);
  for (const forged of ['nonsense', '1', '1-', '999-' + 'A'.repeat(32), '1-' + 'A'.repeat(32), '%2e%2e']) {
    for (const [path, init] of [
      ['cloud-config', {}],
      ['report', { method: 'POST', body: 'stage=booted' }],
    ] as const) {
      const answer = await get(`${url}/boot/${forged}/${path}`, init);
      t.equal(answer.status, 404, `${forged}/${path}`);
      t.equal(answer.text.trim().split('\n').length, 1);
    }
  }
  t.match(
    journal.observations.at(-1),
    { outcome: 'refused', mac: MAC },
    'laid to the machine at this address',
  );
  t.equal(journal.sessionById(1)?.stage, 'script');
  t.equal((await get(`${session}/cloud-config`)).status, 200, 'the real one still works');
});

t.test('the time for the configuration runs from the newest script, not from the first packet', async (t) => {
  let now = 1_000_000;
  let admitted = false;
  const { url, journal } = await startTestServer(t, {
    clock: () => now,
    sessionTime: 60,
    plan: () => (admitted ? bootPlan() : { kind: 'wait', message: 'not yet', reasons: [] }),
  });
  for (let round = 0; round < 20; round++, now += 10_000) await get(`${url}/ipxe?mac=${MAC}`);
  admitted = true;
  const session = await fetchScript(url);
  t.equal(journal.sessions.size, 1, 'it waited in one session');
  t.equal((await get(`${session}/cloud-config`)).status, 200, 'as soon as it is admitted');
  now += 61_000;
  t.equal((await get(`${session}/cloud-config`)).status, 410);
});

t.test('an expired session gets no configuration, but its report still counts', async (t) => {
  let now = 1_000_000;
  const { url, journal } = await startTestServer(t, { clock: () => now, sessionTime: 60 });
  const session = await fetchScript(url);
  now += 60_000;
  t.equal((await get(`${session}/cloud-config`)).status, 200, 'the last moment is in time');
  now += 1_000;
  const late = await get(`${session}/cloud-config`);
  t.equal(late.status, 410);
  t.match(late.text, 'power the machine off and on');
  t.match(journal.observations.at(-1)?.reasons, [/61 s old.*60 s/]);
  t.equal((await get(`${session}/report`, { method: 'POST', body: 'stage=booted' })).status, 200);
  t.equal(journal.sessionById(1)?.end, 'booted');
});

t.test('another address is recorded, and refused under strictAddress', async (t) => {
  for (const strictAddress of [false, true]) {
    const { url, journal } = await startTestServer(t, { strictAddress });
    const session = await fetchScript(url);
    const known = journal.sessionById(1);
    if (known === undefined) throw new Error('no session');
    journal.sessions.set(1, { ...known, address: 0x0a4d0005 as never });
    const answer = await get(`${session}/cloud-config`);
    t.equal(answer.status, strictAddress ? 403 : 200);
    t.match(journal.observations.at(-1)?.reasons, [/another address/]);
    t.equal(journal.counters().get('http.other-address'), 1);
  }
});

t.test(
  'a configuration that fails or comes out empty is 500 with the reason in log and timeline only',
  async (t) => {
    const bad: Record<string, () => { body: string; contentType: string }> = {
      'unknown variable': () => {
        throw new TinderboxError('invalid-template', 'unknown variable `cluster`, secret-ish detail');
      },
      'rendered to nothing': () => ({ body: ' \n', contentType: 'text/plain' }),
      'not a function': () => {
        throw new TypeError('x is not a function');
      },
    };
    for (const [reason, renderConfig] of Object.entries(bad)) {
      const { url, journal, log } = await startTestServer(t, {
        renderer: {
          bootstrapScript: () => '',
          machineScript: ({ context }) => context.configUrl,
          waitScript: () => '',
          refusalScript: () => '',
          renderConfig,
        },
      });
      const answer = await get(`${await fetchScript(url)}/cloud-config`);
      t.equal(answer.status, 500, reason);
      t.equal(answer.text, `the configuration could not be rendered; see: tinderbox machines ${MAC}\n`);
      t.match(journal.observations.at(-1), { kind: 'http.config', outcome: 'failed' });
      t.match(journal.observations.at(-1)?.reasons.join(' '), reason);
      t.match(log(), reason);
      t.equal(journal.sessionById(1)?.stage, 'script', 'it has no configuration');
    }
  },
);

t.test('a role that changes while a machine boots waits for its next boot', async (t) => {
  let role = testRole('worker');
  const { url, journal } = await startTestServer(t, { plan: () => bootPlan(role) });
  const session = await fetchScript(url);
  role = testRole('controller');
  const answer = await get(`${session}/cloud-config`);
  t.match(answer.text, 'role: worker', 'the kernel that runs is the worker’s');
  t.match(journal.observations.at(-1)?.reasons, [/role controller now.*keeps it/]);
  t.match(await fetchScript(url), '/boot/2-');
  t.equal(journal.sessionById(2)?.role, 'controller');
});

t.test('a role changed over a restart of the daemon is not mixed into a boot under way', async (t) => {
  const before = await startTestServer(t);
  const session = new URL(await fetchScript(before.url)).pathname;
  const after = await startTestServer(t, {
    journal: before.journal,
    plan: () => bootPlan(testRole('controller')),
  });
  const answer = await get(`${after.url}${session}/cloud-config`);
  t.equal(answer.status, 409);
  t.match(answer.text, 'power it off and on');
});

t.test('a machine that is no longer admitted, or whose role has no configuration, gets none', async (t) => {
  let plan = bootPlan(testRole('local', false));
  const { url } = await startTestServer(t, { plan: () => plan });
  const session = await fetchScript(url);
  t.equal((await get(`${session}/cloud-config`)).status, 404);
  plan = { kind: 'refuse', message: 'no role', reasons: ['no rule matches'] };
  t.equal((await get(`${session}/cloud-config`)).status, 403);
});

t.test('a report is understood in every form that a small system can send', async (t) => {
  const forms: Record<string, { query?: string; init: RequestInit }> = {
    form: {
      init: { body: 'stage=booted', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    },
    JSON: { init: { body: '{"stage":"booted"}', headers: { 'content-type': 'application/json' } } },
    'JSON that busybox calls a form': {
      init: { body: '{"stage":"booted"}', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    },
    'plain text': { init: { body: 'stage=booted' } },
    'the query alone': { query: '?stage=booted', init: {} },
  };
  for (const [name, { query = '', init }] of Object.entries(forms)) {
    const { url, journal } = await startTestServer(t);
    const answer = await get(`${await fetchScript(url)}/report${query}`, { method: 'POST', ...init });
    t.match(answer, { status: 200, text: 'ok\n' }, name);
    t.match(journal.sessionById(1), { stage: 'booted', end: 'booted' });
  }
});

t.test('with a cluster a report of booted is not the end', async (t) => {
  const { url, journal } = await startTestServer(t, { joinsCluster: ({ name }) => name === 'worker' });
  await get(`${await fetchScript(url)}/report`, { method: 'POST', body: 'stage=booted' });
  t.match(journal.sessionById(1), { stage: 'booted' });
  t.equal(journal.sessionById(1)?.end, undefined);
  t.equal(journal.sessionById(1)?.lastStage, 'ready');
});

t.test('a session knows what its Node is to register with', async (t) => {
  const { url, journal } = await startTestServer(t, {
    registration: ({ plan }) => ({ role: plan.role.name, nodeName: plan.hostname, marks: 'm' }),
  });
  await fetchScript(url);
  const { role = '', hostname = '', registration } = journal.sessionById(1) ?? {};
  t.same(registration, { role, nodeName: hostname, marks: 'm' });
});

t.test('a failed boot marks the session, with the end of its log made printable', async (t) => {
  const { url, journal } = await startTestServer(t);
  const log = `${'first line\n'.repeat(500)}\u001b[2Jkubelet: no disk\n`;
  const body = JSON.stringify({ stage: 'failed', log });
  t.equal((await get(`${await fetchScript(url)}/report`, { method: 'POST', body })).status, 200);
  const { reasons = [] } = journal.observations.at(-1) ?? {};
  t.equal(reasons.at(-1), 'log: [2Jkubelet: no disk');
  t.ok(reasons.join('').length < 3_000, 'bounded');
  t.match(journal.sessionById(1), { stage: 'script', end: undefined });
  t.ok(journal.sessionById(1)?.failedAt);
});

t.test('what is no report is refused with what to post instead', async (t) => {
  const { url, journal } = await startTestServer(t);
  const session = await fetchScript(url);
  for (const body of ['', 'stage=', 'stage=ready', '{"stage":', '{"stage":1}', '[]', 'null']) {
    const answer = await get(`${session}/report`, { method: 'POST', body });
    t.equal(answer.status, 400, body);
    t.match(answer.text, /post stage=booted, stage=installed, or stage=failed with a log\n$/);
  }
  t.equal(journal.sessionById(1)?.stage, 'script');
});

t.test('bodies and headers beyond their bounds are refused in one line', async (t) => {
  const { url, port, journal } = await startTestServer(t);
  const large = await get(`${await fetchScript(url)}/report`, {
    method: 'POST',
    body: 'x'.repeat(64 * 1024 + 1),
  });
  t.equal(large.status, 413);
  t.equal(large.text, 'the body is larger than 65536 bytes\n');
  const head = `GET /healthz HTTP/1.1\r\nHost: t\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
  t.match(await exchange(port, head), /^HTTP\/1\.1 431 [\s\S]*too many or too long headers\n$/);
  t.match(await exchange(port, 'hello\r\n\r\n'), /^HTTP\/1\.1 400 [\s\S]*no HTTP request\n$/);
  t.match(
    await exchange(port, 'GET /%zz HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n'),
    /^HTTP\/1\.1 4\d\d /,
  );
  t.equal(journal.counters().get('http.bad-request.431'), 1);
});

t.test('a client that sends its request too slowly is told and dropped', async (t) => {
  const { port, journal } = await startTestServer(t, {
    limits: { headersTime: 50, requestTime: 50, checkInterval: 10 },
  });
  t.match(await exchange(port, 'GET /healthz HTTP/1.1\r\nHost:'), /^HTTP\/1\.1 408 /);
  t.match(
    await exchange(port, 'POST /boot/1/report HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\nst'),
    /^HTTP\/1\.1 408 /,
  );
  t.equal(journal.counters().get('http.bad-request.408'), 2);
});

t.test('a connection too many is told to come back, in the way iPXE understands', async (t) => {
  const { port, journal } = await startTestServer(t, { limits: { connections: 1 } });
  const first = connect(port, '127.0.0.1');
  t.teardown(() => void first.destroy());
  // An answered request proves that the server counts the first connection; the next one is under way.
  const answered = new Promise((resolve) => void first.once('data', resolve));
  first.write('GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n');
  first.write('POST /boot/1/report HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n');
  await answered;
  const second = await exchange(port, 'GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n');
  t.match(second, /^HTTP\/1\.1 503 /);
  t.match(second, /retry-after: 5/i);
  t.equal(journal.counters().get('http.too-many-connections'), 1);
});

t.test('unknown routes are 404, nothing redirects, and HEAD of a script opens no session', async (t) => {
  const { url, journal } = await startTestServer(t);
  const asked: readonly [string, RequestInit?][] = [
    ['/'],
    ['/assets'],
    ['/boot/'],
    ['/boot.ipxe/'],
    ['/api/v1/machines'],
    ['/ipxe', { method: 'POST', body: 'x' }],
    ['/boot.ipxe', { method: 'DELETE' }],
    [`/ipxe?mac=${MAC}`, { method: 'HEAD' }],
  ];
  for (const [path, init] of asked) t.equal((await get(url + path, init)).status, 404, path);
  t.equal(journal.sessions.size, 0);
  t.match(await get(`${url}/healthz`), { status: 200, text: 'ok\n' });
});

t.test('an error nobody foresaw is one line to the client and a reason in the log', async (t) => {
  const { url, log } = await startTestServer(t, {
    plan: () => {
      throw new Error('the catalog is gone');
    },
  });
  const answer = await get(`${url}/ipxe?mac=${MAC}`);
  t.equal(answer.status, 500);
  t.equal(answer.text, 'the request failed; the reason is in the log of tinderbox\n');
  t.match(log(), 'the catalog is gone');
});

t.test(
  'an address that cannot be listened on is one error with a remedy, and leaves nothing open',
  async (t) => {
    const taken = await startTestServer(t);
    const inUse = startTestServer(t, { port: taken.port, whoHolds: async () => 'nginx (pid 7)' });
    await t.rejects(inUse, {
      code: 'in-use',
      message: `HTTP: 127.0.0.1:${taken.port} is in use by nginx (pid 7)`,
    });
    const absent = startTestServer(t, { listen: [{ host: '127.0.0.1' }, { host: '192.0.2.1' }] });
    await t.rejects(absent, { code: 'not-found', message: 'HTTP: this host has no address 192.0.2.1' });
  },
);

t.test('stopping lets a download finish, refuses new requests and then closes the port', async (t) => {
  const { port, assets, server } = await startTestServer(t, { cacheBytes: 64 * 1024 * 1024 });
  const size = 32 * 1024 * 1024;
  await writeFile(join(assets, 'image'), Buffer.alloc(size, 1));
  const socket = connect(port, '127.0.0.1');
  let received = 0;
  const begun = new Promise((resolve) => void socket.once('readable', resolve));
  const closed = new Promise((resolve) => void socket.once('close', resolve));
  socket.write('GET /assets/image HTTP/1.1\r\nHost: t\r\n\r\n');
  await begun;
  const stopped = server.stop({ graceMs: 10_000 });
  socket.on('data', (bytes) => {
    received += bytes.length;
  });
  await Promise.all([stopped, closed]);
  t.ok(received > size, 'the whole file and its head');
  await t.rejects(exchange(port, ''), { code: 'ECONNREFUSED' });
});

t.test('stopping drops a client that does not finish in time', async (t) => {
  const { port, assets, server } = await startTestServer(t, { cacheBytes: 64 * 1024 * 1024 });
  await writeFile(join(assets, 'image'), Buffer.alloc(32 * 1024 * 1024));
  const socket = connect(port, '127.0.0.1');
  const begun = new Promise((resolve) => void socket.once('readable', resolve));
  socket.on('error', () => undefined);
  socket.write('GET /assets/image HTTP/1.1\r\nHost: t\r\n\r\n');
  await begun;
  await server.stop({ graceMs: 10 });
  t.pass('it stopped although nobody reads');
  socket.destroy();
});

t.test('the real journal, store and scripts: a whole boot, told from the database', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'tinderbox-http-store-'));
  const store = await openStore({ file: join(dir, 'state.db'), durability: 'process' });
  const logger = createLoggers({ level: 'silent' }).store;
  const state = await store.load();
  const journal = createJournal({
    store,
    state,
    clock: Date.now,
    idleTime: 3_600_000,
    logger,
  });
  const { url, assets, tokens } = await startTestServer(t, {
    journal: journal as never,
    renderer: { bootstrapScript, machineScript, waitScript, refusalScript, renderConfig },
    plan: () => bootPlan(testRole('worker')),
  });
  t.teardown(async () => {
    await journal.close();
    await store.close();
    await rm(dir, { recursive: true });
  });
  await writeFile(join(assets, 'vmlinuz'), 'kernel');
  await writeFile(join(assets, 'initrd'), 'initrd');
  t.match((await get(`${url}/boot.ipxe`)).text, `${url}/ipxe?mac=`);
  t.match((await get(`${url}/ipxe?mac=${MAC}&arch=x86_64&uuid=&serial=`)).text, `${url}/assets/vmlinuz`);
  const session = journal.sessionOf(MAC as Mac);
  if (session === undefined) return t.fail('no session');
  await get(`${url}/assets/vmlinuz`);
  await get(`${url}/assets/initrd`);
  const sessionUrl = `${url}/boot/${tokens.tokenFor(session)}`;
  t.match((await get(`${sessionUrl}/cloud-config`)).text, /^#cloud-config\n/);
  await get(`${sessionUrl}/report`, { method: 'POST', body: 'stage=booted' });

  await journal.flush();
  const [stored] = await store.listSessions(MAC as Mac, { limit: 10, offset: 0 });
  t.match(stored, {
    stage: 'booted',
    end: 'booted',
    role: 'worker',
    hostname: 'node-1',
    address: 0x7f000001,
  });
  const events = await store.listEvents({ mac: MAC as Mac, sessionId: session.id, limit: 100 });
  const stages = events.flatMap(({ stage }) => (stage === undefined ? [] : [stage]));
  t.same(stages, ['script', 'kernel', 'initrd', 'config', 'booted']);
  t.notMatch(JSON.stringify(events), tokens.tokenFor(session));
});

const bootOnce = (): BootPlan => ({ ...bootPlan(), once: 'worker' }) as BootPlan;

/** A book of what is booted once, over a disk that the test may fill. */
function bookOf(journal: FakeJournal) {
  const disk = { isFull: false };
  const put = () => (disk.isFull ? Promise.reject(new Error('disk full')) : Promise.resolve());
  const book = createOnceBook({
    store: { putOnceUse: put, dropOnceUse: put, holdOnceUses: put },
    uses: [],
    sessionOf: (mac) => journal.sessionOf(mac),
    clock: Date.now,
    failed: () => undefined,
  });
  return { book, disk };
}

t.test(
  'a report that it has installed uses up the `once:` of its boot, and is as good as booted',
  async (t) => {
    const journal = createFakeJournal();
    const { book } = bookOf(journal);
    const { url } = await startTestServer(t, {
      journal,
      once: book,
      plan: bootOnce,
      joinsCluster: () => true,
    });
    const session = await fetchScript(url);
    t.match(book.useOf(MAC as Mac), { role: 'worker', tries: 1, sessionId: 1 });
    const report = (stage: string) => get(`${session}/report`, { method: 'POST', body: `stage=${stage}` });
    t.equal((await report('booted')).status, 200);
    t.equal(book.useOf(MAC as Mac)?.doneAt, undefined, 'a Node has to be Ready');
    t.equal((await report('installed')).status, 200);
    t.ok(book.useOf(MAC as Mac)?.doneAt);
    t.match(journal.observations.at(-1), {
      stage: 'booted',
      reasons: ['the machine says that it has installed its system', 'once: worker is used up with this'],
    });
    await report('installed');
    t.match(journal.observations.at(-1)?.reasons.at(-1), /no `once:` that is still to be used/);
  },
);

t.test('what cannot be written down is not begun, and a success is to be reported again', async (t) => {
  const journal = createFakeJournal();
  const { book, disk } = bookOf(journal);
  const { url, log } = await startTestServer(t, { journal, once: book, plan: bootOnce });
  disk.isFull = true;
  const refused = await get(`${url}/ipxe?mac=${MAC}`);
  t.match(
    refused.text,
    /refused that this machine boots this role once could not be written down \(disk full\)/,
  );
  t.match(log(), 'could not be written down, and is refused');
  const asGrub = await get(`${url}/grub.cfg?mac=${MAC}`);
  t.match(asGrub.text, /^grub refused .*\(disk full\)/, 'in the language of its loader');
  disk.isFull = false;
  const session = await fetchScript(url);
  disk.isFull = true;
  const report = () => get(`${session}/report`, { method: 'POST', body: 'stage=installed' });
  t.equal((await report()).status, 503);
  disk.isFull = false;
  t.equal((await report()).status, 200);
});
