import { once } from 'node:events';
import { request } from 'node:http';
import t from 'tap';
import type { VisitorView } from '../../../src/admin/api.ts';
import { boot, MAC, startAdmin, T0 } from '../../support/start-admin.ts';

type Started = Awaited<ReturnType<typeof startAdmin>>;
type Headers = Record<string, string>;

const TCP = { listen: { host: '127.0.0.1', port: 0 } };
const bearer = ({ token }: Started): Headers => ({ authorization: `Bearer ${token.show()}` });

/** As fetch, which sets neither Host nor Sec-Fetch-Site. */
async function ask({ server }: Started, method: string, path: string, headers: Headers = {}, body?: string) {
  const outgoing = request({
    host: '127.0.0.1',
    port: server.address?.port,
    method,
    path,
    headers,
    agent: false,
  });
  outgoing.end(body);
  const [response] = await once(outgoing, 'response');
  let text = '';
  for await (const chunk of response) text += String(chunk);
  return { status: response.statusCode as number, headers: response.headers as Headers, text };
}

const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const JSON_TYPE = { 'content-type': 'application/json' };

async function logIn(admin: Started): Promise<Headers> {
  const answer = await ask(admin, 'POST', '/login', FORM, `token=${admin.token.show()}&next=%2Froles`);
  t.equal(answer.status, 303);
  const [cookie = ''] = answer.headers['set-cookie'] as unknown as string[];
  return { cookie: cookie.split(';')[0] ?? '' };
}

t.test('over TCP the API is for whoever shows the token', async (t) => {
  const admin = await startAdmin(t, TCP);
  boot(admin.journal, MAC, T0);
  t.equal((await ask(admin, 'GET', '/healthz')).text, 'ok\n');
  const right = await ask(admin, 'GET', '/api/v1/machines', bearer(admin));
  t.equal(right.status, 200);
  t.match(right.text, MAC);
  const wrong: readonly Headers[] = [
    {},
    { authorization: 'Bearer' },
    { authorization: `Basic ${admin.token.show()}` },
    { authorization: `Bearer ${admin.token.show().slice(1)}` },
    { authorization: `Bearer ${admin.token.showForMetrics()}` },
    { cookie: `tinderbox=${admin.token.show()}` },
  ];
  for (const headers of wrong) {
    const answer = await ask(admin, 'GET', '/api/v1/machines', headers);
    t.equal(answer.status, 401, JSON.stringify(headers).slice(0, 30));
    t.notMatch(answer.text, MAC);
    t.match(JSON.parse(answer.text), {
      type: 'urn:tinderbox:problem:unauthenticated',
      remedy: /tinderbox token/,
    });
  }
});

t.test('a token that is shown once becomes a cookie, which a script cannot read', async (t) => {
  const admin = await startAdmin(t, TCP);
  const answer = await ask(admin, 'POST', '/login', FORM, `token=%20${admin.token.show()}%0A&next=%2Froles`);
  t.equal(answer.headers.location, '/roles');
  const [cookie = ''] = answer.headers['set-cookie'] as unknown as string[];
  t.match(cookie, /^tinderbox=[\w-]{43}; Max-Age=604800; Path=\/; HttpOnly; SameSite=Strict$/);
  t.notMatch(cookie, admin.token.show());
  const session = { cookie: cookie.split(';')[0] ?? '' };
  t.equal((await ask(admin, 'GET', '/api/v1/machines', session)).status, 200);
  const who = JSON.parse((await ask(admin, 'GET', '/api/v1/session', session)).text) as VisitorView;
  t.match(who.actor, { name: 'token', via: 'page', address: '127.0.0.1' });
  const csrf = `_csrf=${who.csrfToken}`;
  t.equal((await ask(admin, 'POST', '/logout', { ...session, ...FORM }, '_csrf=guessed')).status, 403);
  const left = await ask(admin, 'POST', '/logout', { ...session, ...FORM }, csrf);
  t.match(left, { status: 303, headers: { location: '/login' } });
  t.equal((await ask(admin, 'GET', '/api/v1/machines', session)).status, 401);
});

t.test('a person is sent to where one signs in, a program is told', async (t) => {
  const admin = await startAdmin(t, TCP);
  const html = { accept: 'text/html,*/*;q=0.8' };
  t.match(await ask(admin, 'GET', '/machines/x?a=b', html), {
    status: 303,
    headers: { location: '/login?next=%2Fmachines%2Fx%3Fa%3Db' },
  });
  t.match(await ask(admin, 'GET', '/', { ...html, 'hx-request': 'true' }), {
    status: 401,
    headers: { 'www-authenticate': /^Bearer/ },
  });
  t.equal((await ask(admin, 'POST', '/api/v1/reload', html)).status, 401);
});

t.test('what changes something needs the token of its session beside the cookie', async (t) => {
  const admin = await startAdmin(t, TCP);
  const session = await logIn(admin);
  const who = await ask(admin, 'GET', '/api/v1/session', session);
  const csrf = (JSON.parse(who.text) as VisitorView).csrfToken ?? '';
  const here = { ...session, 'sec-fetch-site': 'same-origin' };
  const post = (headers: Headers) => ask(admin, 'POST', '/api/v1/reload', headers);
  const cases: readonly (readonly [number, Headers])[] = [
    [403, here],
    [403, { ...here, 'x-csrf-token': 'guessed' }],
    [403, { ...session, 'sec-fetch-site': 'cross-site' }],
    [403, { ...session, origin: 'https://evil.example' }],
    [403, { ...bearer(admin), 'sec-fetch-site': 'cross-site' }],
    [200, bearer(admin)],
    [200, { ...here, 'x-csrf-token': csrf }],
    [200, { ...session, 'x-csrf-token': csrf }],
  ];
  for (const [status, headers] of cases)
    t.equal((await post(headers)).status, status, JSON.stringify(headers).slice(-60));
  const form = await ask(admin, 'POST', '/api/v1/assign', { ...here, ...FORM }, `mac=${MAC}&role=worker`);
  t.not(form.status, 200, 'the API takes no forms');
  t.equal(
    (await ask(admin, 'POST', '/login', { ...FORM, 'sec-fetch-site': 'cross-site' }, 'token=x')).status,
    403,
  );
});

t.test('a name that somebody else may own is no name of this server', async (t) => {
  const admin = await startAdmin(t, TCP);
  const get = async (host: string) =>
    (await ask(admin, 'GET', '/api/v1/status', { ...bearer(admin), host })).status;
  t.equal(await get('boot.example.net:8080'), 200);
  t.equal(await get('localhost:8080'), 200);
  t.equal(await get('evil.example:8080'), 403);
});

t.test(
  'who guesses waits, is in the log and the audit trail once a second, and holds up no session',
  async (t) => {
    const admin = await startAdmin(t, TCP);
    const session = await logIn(admin);
    const statuses: number[] = [];
    for (let guess = 0; guess < 12; guess++) {
      statuses.push((await ask(admin, 'POST', '/login', FORM, `token=guess${guess}`)).status);
    }
    t.same(statuses, [...Array.from({ length: 10 }, () => 401), 429, 429]);
    const late = await ask(admin, 'GET', '/api/v1/status', bearer(admin));
    t.equal(late.status, 429, 'the right one too, from there');
    t.ok(Number(late.headers['retry-after']) > 0);
    t.equal((await ask(admin, 'GET', '/api/v1/status', session)).status, 200);
    const failures = admin.records.filter(({ outcome }) => outcome === 'refused');
    t.match(failures, [{ action: 'login', actor: { name: 'unknown', via: 'token', address: '127.0.0.1' } }]);
    t.equal(failures.length, 1);
    t.match(admin.log(), /a wrong token was given/);
    t.notMatch(admin.log(), /guess1/);
  },
);

t.test('another token ends what the former one let in', async (t) => {
  const admin = await startAdmin(t, TCP);
  const session = await logIn(admin);
  const former = bearer(admin);
  const streams = await Promise.all(
    [session, former].map(async (headers) => {
      const stream = request(`${admin.url}/api/v1/events`, { headers }).end();
      const [response] = await once(stream, 'response');
      return response;
    }),
  );
  const ended = streams.map((stream) => {
    stream.on('error', () => undefined).resume();
    return new Promise((resolve) => void stream.once('close', resolve));
  });
  const shown = await admin.client.token();
  t.equal(shown.token, admin.token.show());
  const renewed = await admin.client.renewToken();
  t.not(renewed.token, shown.token);
  t.not(renewed.metricsToken, shown.metricsToken);
  await Promise.all(ended);
  t.equal((await ask(admin, 'GET', '/api/v1/status', session)).status, 401);
  t.equal((await ask(admin, 'GET', '/api/v1/status', former)).status, 401);
  t.equal((await ask(admin, 'GET', '/api/v1/status', bearer(admin))).status, 200);
  t.equal((await ask(admin, 'GET', '/api/v1/token', bearer(admin))).status, 403, 'it is not told by TCP');
  const renewal = admin.records.find(({ action }) => action === 'token-renew');
  t.match(renewal, { action: 'token-renew', actor: { name: 'alice', via: 'socket' } });
});

t.test('every answer has the headers that keep a browser strict', async (t) => {
  const admin = await startAdmin(t, TCP);
  for (const path of ['/healthz', '/api/v1/status', '/nothing', '/%ZZ']) {
    const { headers } = await ask(admin, 'GET', path, bearer(admin));
    t.match(headers, {
      'content-security-policy':
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
    });
    t.equal(headers['strict-transport-security'], undefined);
  }
});

t.test('an address that cannot be read is a problem like others', async (t) => {
  const admin = await startAdmin(t, TCP);
  const { status, text, headers } = await ask(admin, 'GET', '/api/v1/%ZZ');
  t.equal(status, 400);
  t.match(headers['content-type'], 'application/problem+json');
  t.match(JSON.parse(text), { type: 'urn:tinderbox:problem:usage', status: 400 });
});

t.test('whatever the way to a route is written, a stranger gets nowhere', async (t) => {
  const admin = await startAdmin(t, TCP);
  boot(admin.journal, MAC, T0);
  const ways: readonly (readonly [method: string, path: string])[] = [
    ...['HEAD', 'OPTIONS', 'TRACE', 'PUT'].map((method) => [method, '/api/v1/machines'] as const),
    ...[
      '/',
      '//api/v1/machines',
      '/%61pi/v1/machines',
      '/api/v1/machines/',
      '/login/../api/v1/machines',
      '/static/../api/v1/machines',
      '/static/%2e%2e/api/v1/machines',
      'http://localhost/api/v1/machines',
      '/healthz/',
      '/metrics',
      '/METRICS',
      '/fleet/live',
      '/api/v1/events',
      `/machines/${MAC}/changes`,
    ].map((path) => ['GET', path] as const),
  ];
  for (const [method, path] of ways)
    t.equal((await ask(admin, method, path)).status, 401, `${method} ${path}`);
  for (const path of [
    '/static/..%2fadmin-token',
    '/static/..%2f..%2f..%2fetc%2fpasswd',
    '/static/constructor',
  ])
    t.equal((await ask(admin, 'GET', path)).status, 404, path);
});

t.test('whoever asked is in the audit trail, with what became of it', async (t) => {
  const admin = await startAdmin(t, TCP);
  await admin.client.assign({ mac: MAC, role: 'worker' });
  const body = JSON.stringify({ mac: MAC });
  await ask(admin, 'POST', '/api/v1/forget', { ...bearer(admin), ...JSON_TYPE }, body);
  const { records } = await admin.client.audit();
  t.match(records, [
    {
      action: 'forget',
      target: MAC,
      actor: { name: 'token', via: 'token', address: '127.0.0.1' },
      outcome: 'done',
      detail: 'removed its entry, its history',
    },
    { action: 'assign', actor: { name: 'alice', via: 'socket' }, detail: 'role: none → worker' },
  ]);
});

t.test('every kind of change is in the audit trail with the user of the socket', async (t) => {
  const admin = await startAdmin(t);
  const { client } = admin;
  const changes: Readonly<Record<string, () => Promise<unknown>>> = {
    assign: () => client.assign({ mac: MAC, role: 'worker' }),
    approve: () => client.approve({ mac: MAC }),
    forget: () => client.forget(MAC),
    'signing-token': () => client.makeSigningToken({ mac: MAC, days: 1 }),
    'power-on': () => client.power(MAC, 'on'),
    'power-off': () => client.power(MAC, 'off'),
    'power-cycle': () => client.power(MAC, 'cycle', { pxe: true }),
    reload: () => client.reload(),
    log: () => client.changeLog({ level: 'debug', seconds: 60 }),
    async backup() {
      const { stream } = await client.copyDatabase();
      for await (const _ of stream);
    },
    'token-renew': () => client.renewToken(),
  };
  for (const [action, change] of Object.entries(changes)) {
    await change();
    const record = admin.records.at(-1);
    t.match(record, { action, actor: { name: 'alice', via: 'socket' }, outcome: 'done' }, action);
    t.ok(record?.detail, `${action}: ${record?.detail}`);
  }
  t.equal(admin.records.length, Object.keys(changes).length, 'one record each');
  await client.power(MAC, 'status');
  await client.token();
  await client.log();
  t.equal(admin.records.length, Object.keys(changes).length, 'who looks is not recorded');
});
