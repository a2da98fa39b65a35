import t from 'tap';
import type { SessionView } from '../../../src/admin/api.ts';
import type { ExplainView } from '../../../src/admin/explain-api.ts';
import { whyModel } from '../../../src/admin/page/machine-extras.ts';
import { fieldsOf, formOf, readFields, saveEntry } from '../../../src/admin/page/machine-form.ts';
import { machineModel } from '../../../src/admin/page/machine-model.ts';
import { createPages } from '../../../src/admin/page/render-page.ts';
import { TinderboxError } from '../../../src/errors.ts';
import type { Mac } from '../../../src/machine/mac.ts';
import { ask, boot, MAC, OTHER, startAdmin, T0 } from '../../support/start-admin.ts';

const THIRD = '52:54:00:00:00:03' as Mac;
const EVIL = `"><script>alert(1)</script>\u202e{{mac}}`;
const assignment = {
  from: 'entry',
  role: 'worker',
  own: 'worker',
  hostname: 'web-1',
  file: '/p/machines.yaml',
  line: 3,
  reasons: [],
  revision: 'abc',
} as const;

const FIELDS = { role: '', when: '', hostname: '', address: '', revision: '' };

t.test('the form holds what the entry says, not what a rule gives', (t) => {
  t.same(fieldsOf({ assignment }), { ...FIELDS, role: 'worker', hostname: 'web-1', revision: 'abc' });
  const { own: _own, ...byRule } = assignment;
  t.equal(fieldsOf({ assignment: { ...byRule, from: 'rule' } }).role, '');
  const once = { role: 'install', state: 'next', tries: 0 } as const;
  const booting = { ...assignment, from: 'once', role: 'install', once } as const;
  t.match(formOf(['worker'], { assignment: booting }), { role: 'worker', once: 'install' });
  const why = whyModel({
    assignment: booting,
    reasons: [],
    problems: [],
    dhcp: { answers: [] },
  } as unknown as ExplainView);
  t.match(why, { from: 'once: of its own entry', once: 'install: at its next boot, then no role' });
  t.end();
});

t.test('what a browser sends is bounded, and is nothing but texts', (t) => {
  t.same(readFields({ role: ' worker ', hostname: ['a'], address: 5, more: 'x' }), {
    ...FIELDS,
    role: 'worker',
  });
  t.equal(readFields({ role: 'x'.repeat(9_999) }).role.length, 253);
  for (const body of [undefined, null, 'text', 7]) t.equal(readFields(body).role, '');
  t.end();
});

t.test('an entry is written with what was typed, and with the revision that was read', async (t) => {
  const sent: unknown[] = [];
  const options = {
    assign: async (request: object) => (
      sent.push(['assign', request]), { mac: MAC, role: 'worker', changed: true, file: '' }
    ),
    approve: async (request: object) => (
      sent.push(['approve', request]),
      { mac: MAC, role: 'worker', hostname: 'h', changed: true, seen: true, file: '' }
    ),
  };
  await saveEntry(options, MAC, { ...FIELDS, role: 'worker', address: '10.77.0.9', revision: 'abc' });
  await saveEntry(options, MAC, { ...FIELDS, hostname: 'h' });
  await saveEntry(options, MAC, { ...FIELDS, role: 'install', when: 'once' });
  await saveEntry(options, MAC, { ...FIELDS, when: 'never' });
  await t.rejects(saveEntry(options, MAC, { ...FIELDS, when: 'once' }), { code: 'usage' });
  t.same(sent, [
    ['assign', { mac: MAC, address: '10.77.0.9', revision: 'abc', role: 'worker' }],
    ['approve', { mac: MAC, hostname: 'h' }],
    ['assign', { mac: MAC, role: 'install', once: true }],
    ['assign', { mac: MAC, once: false }],
  ]);
});

t.test('after a conflict the form keeps what was typed and says what is there now', (t) => {
  const typed = { ...FIELDS, role: 'rescue', hostname: 'mine', revision: 'old' };
  const thrown = new TinderboxError('conflict', 'was changed meanwhile');
  const form = formOf(['rescue', 'worker'], { assignment }, { typed, thrown });
  t.match(form, {
    role: 'rescue',
    hostname: 'mine',
    revision: 'abc',
    conflict: { role: 'worker', hostname: 'web-1', address: '' },
    refusal: { message: 'was changed meanwhile' },
  });
  t.same(form.roles, [
    { name: 'rescue', chosen: true },
    { name: 'worker', chosen: false },
  ]);
  const other = formOf([], { assignment }, { typed, thrown: new TinderboxError('refused', 'no') });
  t.equal(other.conflict, undefined);
  t.throws(() => formOf([], { assignment }, { typed, thrown: new Error('a bug') }), { code: 'internal' });
  t.end();
});

t.test('whatever the network says, it is text on the page', (t) => {
  const session: SessionView = {
    id: 1,
    mac: MAC,
    openedAt: T0,
    updatedAt: T0,
    stage: 'script',
    stageTimes: { script: T0 },
    role: EVIL,
    hostname: EVIL,
    address: EVIL,
    stalled: {
      at: T0,
      stage: 'script',
      diagnosis: { name: EVIL, title: EVIL, evidence: [EVIL], remedy: EVIL },
    },
  };
  const event = {
    at: T0,
    kind: 'http.script',
    outcome: 'failed',
    asked: EVIL,
    answered: EVIL,
    reasons: [EVIL],
    via: EVIL,
  } as const;
  const hardware = {
    at: T0,
    source: 'linux',
    cpu: { model: EVIL },
    disks: [{ name: EVIL, model: EVIL }],
    network: [{ name: EVIL, mac: EVIL, driver: EVIL }],
    firmware: { vendor: EVIL },
  } as const;
  const model = machineModel({
    machine: {
      mac: MAC,
      firstSeen: T0,
      lastSeen: T0,
      serial: EVIL,
      manufacturer: EVIL,
      product: EVIL,
      via: EVIL,
      hardware,
    },
    sessions: [session, { ...session, id: 0, end: 'ready', endedAt: T0 }],
    session,
    events: [event],
    former: {
      session: { ...session, id: 0, role: `was ${EVIL}`, end: 'ready' },
      events: [{ ...event, reasons: [] }],
    },
    window: 0,
    now: T0,
  });
  const html = createPages(() => T0).renderPart('machine-live', {
    ...model,
    console: { lines: [{ at: T0, tone: 'bad', program: EVIL, text: EVIL, reasons: [EVIL] }], omitted: 0 },
    hasPackets: true,
    liveQuery: 'session=1',
    olderLink: '?older=1',
    newerLink: '?',
  });
  t.notMatch(html, '<script');
  t.notMatch(html, '\u202e');
  t.ok(html.split('&lt;script&gt;').length > 20, 'it is there, escaped');
  t.end();
});

t.test('the page is found by every spelling of a MAC, and says what it does not know', async (t) => {
  const { socket, journal } = await startAdmin(t);
  boot(journal, MAC, T0);
  boot(journal, THIRD, T0);
  const page = await ask(socket, 'GET', `/machines/${MAC}`);
  t.equal(page.status, 200);
  t.match(page.text, 'node-56');
  t.match(page.text, 'Download its last packets');
  t.equal((await ask(socket, 'GET', '/machines/525400123456')).status, 302);
  t.match((await ask(socket, 'GET', `/machines/${THIRD}`)).text, 'None is kept', 'its packets are gone');
  t.equal((await ask(socket, 'GET', `/machines/${OTHER}`)).status, 404);
  t.equal((await ask(socket, 'GET', '/machines/%3Cscript%3E')).status, 404);
  t.equal((await ask(socket, 'GET', `/machines/${MAC}?session=99&older=99999999&done=%3Cb%3E`)).status, 200);
});

t.test('forgetting needs the word for it; power one of three', async (t) => {
  const { socket, journal } = await startAdmin(t);
  boot(journal, MAC, T0);
  const form = 'application/x-www-form-urlencoded';
  const unsure = await ask(socket, 'POST', `/machines/${MAC}/forget`, 'x=1', form);
  t.equal(unsure.status, 400);
  t.match(unsure.text, 'nothing was forgotten');
  t.equal((await ask(socket, 'POST', `/machines/${MAC}/forget`, 'sure=yes', form)).status, 303);
  t.equal((await ask(socket, 'POST', `/machines/${MAC}/power`, 'action=explode', form)).status, 400);
  t.equal((await ask(socket, 'POST', `/machines/${MAC}/power`, 'action=on', form)).status, 303);
  t.equal((await ask(socket, 'POST', `/machines/${MAC}`, 'role=worker', form)).status, 303);
});

t.test('every form of these pages holds what the guard wants to see', async (t) => {
  const { url, journal, options } = await startAdmin(t, { listen: { host: '127.0.0.1', port: 0 } });
  boot(journal, MAC, T0);
  const token = options.access?.token.show() ?? '';
  const send = (path: string, fields: Record<string, string>, cookie = '') =>
    fetch(`${url}${path}`, {
      method: 'POST',
      redirect: 'manual',
      headers: { cookie },
      body: new URLSearchParams(fields),
    });
  const login = await send('/login', { token });
  const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
  for (const path of [`/machines/${MAC}`, `/machines/${OTHER}`, '/health']) {
    const html = await (await fetch(`${url}${path}`, { headers: { cookie } })).text();
    const posts = html.match(/<form method="post"/g)?.length ?? 0;
    const tokens = html.match(/name="_csrf" value="([^"]{20,})"/g) ?? [];
    t.ok(posts >= 2 && tokens.length === posts, `${path}: ${posts} forms, ${tokens.length} tokens`);
  }
  const html = await (await fetch(`${url}/machines/${MAC}`, { headers: { cookie } })).text();
  const csrf = /name="_csrf" value="([^"]+)"/.exec(html)?.[1] ?? '';
  t.equal((await send(`/machines/${MAC}`, { role: 'worker' }, cookie)).status, 403);
  t.equal((await send(`/machines/${MAC}`, { role: 'worker', _csrf: csrf }, cookie)).status, 303);
  t.equal((await send('/health/doctor', { _csrf: csrf }, cookie)).status, 200);
  t.equal((await send(`/machines/${MAC}`, { role: 'worker', _csrf: csrf })).status, 401);
});
