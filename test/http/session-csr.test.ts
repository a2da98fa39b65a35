import { X509Certificate } from 'node:crypto';
import t from 'tap';
import { TinderboxError } from '../../src/errors.ts';
import { makeFolder, makeRequest } from '../pki/support/make-cluster.ts';
import { createFakeJournal } from './fake-journal.ts';
import {
  type ClusterServerOptions,
  clusterRole,
  ISSUED,
  MAC,
  startClusterServer,
} from './start-cluster-server.ts';
import { startTestServer } from './start-test-server.ts';

const folder = makeFolder(t);
const NODE = { subject: '/O=system:nodes/CN=system:node:node-1', names: 'DNS:node-1,IP:10.77.0.20' };

async function post(url: string, body: string, type = 'application/x-pem-file') {
  const response = await fetch(url, { method: 'POST', body, headers: { 'content-type': type } });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

t.test('a machine gets the certificate that it is entitled to, and the timeline its serial', async (t) => {
  const server = await startClusterServer(t);
  const session = await server.session();
  const { pem } = makeRequest(folder, NODE);
  const answer = await post(`${session}/csr?name=node`, pem);
  t.equal(answer.status, 200, answer.text);
  t.equal(answer.headers.get('content-type'), 'application/x-pem-file');
  t.equal(answer.headers.get('cache-control'), 'no-store');
  const certificate = new X509Certificate(answer.text);
  t.equal(certificate.subject, 'O=system:nodes\nCN=system:node:node-1');
  const event = server.journal.observations.at(-1);
  t.match(event, {
    kind: 'http.csr',
    outcome: 'answered',
    mac: MAC,
    asked: 'POST /boot/1-…/csr?name=node',
    answered: /^the certificate node: O=system:nodes, CN=system:node:node-1, serial [0-9a-f]+, until 20/,
  });
  t.match(event?.answered, certificate.serialNumber.toLowerCase());
  const record = JSON.stringify(server.journal.observations) + server.log();
  t.notMatch(record, /BEGIN|PRIVATE/);
  t.notMatch(record, session.split('/').at(-1));
  t.match(await server.store.certificateOf(1, 'node'), {
    serial: certificate.serialNumber.toLowerCase(),
    subject: 'O=system:nodes, CN=system:node:node-1',
  });
});

t.test('the same key gets one again, another key nothing but an alarm', async (t) => {
  const server = await startClusterServer(t);
  const session = await server.session();
  const url = `${session}/csr?name=node`;
  const { pem } = makeRequest(folder, NODE);
  t.equal((await post(url, pem)).status, 200);
  t.equal((await post(url, pem)).status, 200, 'an answer may be lost');
  const [first, again] = server.journal.observations.slice(-2);
  t.match(first, {
    evidence: 'giving',
    sessionId: 1,
    reasons: [/asked from 127.0.0.1/, /its key/, /default/],
  });
  t.match(again?.reasons, [/asked from 127.0.0.1/, /its key/, /given again/, /default/]);
  t.equal(again?.evidence, undefined, 'only the first time, which cannot be repeated at will');
  const key = /SHA-256 ([0-9a-f]{64})/.exec(first?.reasons.join() ?? '')?.[1] ?? 'no key';
  const second = await post(url, makeRequest(folder, NODE).pem);
  t.equal(second.status, 403);
  t.match(second.text, /already, for another key/);
  t.match(server.journal.observations.slice(-2), [
    {
      kind: 'security.alarm',
      outcome: 'noted',
      mac: MAC,
      answered: /second key/,
      evidence: 'alarm',
      sessionId: 1,
      reasons: [/^asked from 127/, `it was given to 127.0.0.1 for the key SHA-256 ${key}, serial `],
    },
    { kind: 'http.csr', outcome: 'refused', answered: '403' },
  ]);
  t.equal(server.journal.counters().get('security.alarm.second-key'), 1);
  t.match(server.log(), /"level":40.*second key/);
  for (let more = 0; more < 3; more++) await post(url, makeRequest(folder, NODE).pem);
  t.equal(server.log().match(/second key/g)?.length, 1, 'the log is told once a second');
  t.equal(server.journal.counters().get('security.alarm.second-key'), 4);
  t.equal((await post(url, pem)).status, 200, 'and the first is not stranded by them');
  t.equal(
    (await post(`${session}/csr?name=kube-proxy`, makeRequest(folder).pem)).status,
    200,
    'another certificate is another matter',
  );
});

t.test('what a restart of the daemon does not change: one key a certificate', async (t) => {
  const state = makeFolder(t);
  const journal = createFakeJournal();
  const { pem } = makeRequest(folder, NODE);
  let session = '';
  await t.test('before', async (t) => {
    const server = await startClusterServer(t, { folder: state, journal });
    session = await server.session();
    t.equal((await post(`${session}/csr?name=node`, pem)).status, 200);
  });
  const server = await startClusterServer(t, { folder: state, journal });
  const url = `${session.replace(/^http:\/\/[^/]+/, server.url)}/csr?name=node`;
  t.equal((await post(url, makeRequest(folder, NODE).pem)).status, 403);
  t.equal((await post(url, pem)).status, 200);
});

t.test('of several keys at once one wins', async (t) => {
  const server = await startClusterServer(t);
  const url = `${await server.session()}/csr?name=node`;
  const pems = Array.from({ length: 6 }, () => makeRequest(folder, NODE).pem);
  const answers = await Promise.all([...pems, ...pems].map((pem) => post(url, pem)));
  const keys = answers
    .filter(({ status }) => status === 200)
    .map(({ text }) => new X509Certificate(text).publicKey.export({ type: 'spki', format: 'pem' }));
  t.equal(new Set(keys).size, 1);
  t.equal(keys.length, 2, 'which asked twice');
  t.ok(answers.every(({ status }) => status === 200 || status === 403));
});

t.test('what a machine may not have is refused with the reason', async (t) => {
  const rows: [string, string, () => string, number, RegExp][] = [
    ['no name', '', () => makeRequest(folder).pem, 400, /\?name=node/],
    ['two names', '?name=node&name=kube-proxy', () => makeRequest(folder).pem, 400, /\?name=node/],
    ['an unknown one', '?name=root', () => makeRequest(folder).pem, 403, /may ask for: node, kube-proxy/],
    ["a controller's", '?name=administrator', () => makeRequest(folder).pem, 403, /not entitled/],
    [
      "another node's subject",
      '?name=node',
      () => makeRequest(folder, { subject: '/O=system:nodes/CN=system:node:node-2' }).pem,
      403,
      /subject CN=system:node:node-2.*It may have O=system:nodes, CN=system:node:node-1/,
    ],
    [
      'a group',
      '?name=node',
      () => makeRequest(folder, { subject: '/O=system:masters' }).pem,
      403,
      /subject O=system:masters/,
    ],
    ['a name', '?name=node', () => makeRequest(folder, { names: 'DNS:kubernetes' }).pem, 403, /the name kub/],
    [
      'an address',
      '?name=node',
      () => makeRequest(folder, { names: 'IP:10.77.0.1' }).pem,
      403,
      /10\.77\.0\.1/,
    ],
    [
      'to be an authority',
      '?name=node',
      () => makeRequest(folder, { extensions: ['basicConstraints=critical,CA:TRUE'] }).pem,
      403,
      /CA:TRUE/,
    ],
    ['nothing', '?name=node', () => '', 400, /PEM|request/],
    ['junk', '?name=node', () => 'x'.repeat(1000), 400, /PEM|request/],
    ['a broken PEM', '?name=node', () => makeRequest(folder).pem.replace(/\n/g, ''), 400, /PEM|request/],
    ['too much', '?name=node', () => 'x'.repeat(17_000), 413, /larger than 16384 bytes/],
  ];
  const server = await startClusterServer(t);
  const session = await server.session();
  for (const [name, query, pem, status, text] of rows) {
    const answer = await post(`${session}/csr${query}`, pem());
    t.equal(answer.status, status, `${name}: ${answer.text}`);
    t.match(answer.text, text, name);
    t.notMatch(answer.text, /at .*\.ts|-----/);
    if (status === 413) continue;
    t.match(server.journal.observations.at(-1), {
      kind: 'http.csr',
      outcome: 'refused',
      answered: String(status),
    });
  }
  t.equal(await server.store.certificateOf(1, 'node'), undefined, 'none was given');
  t.equal((await post(`${session}/csr?name=node`, makeRequest(folder, NODE).pem)).status, 200);
});

t.test('without a session, or in one that is over, nothing is signed', async (t) => {
  let now = Date.now();
  const server = await startClusterServer(t, { clock: () => now });
  const { pem } = makeRequest(folder, NODE);
  const first = await server.session();
  t.equal((await post(`${first}x/csr?name=node`, pem)).status, 404);
  now += 3_601_000;
  const late = await post(`${first}/csr?name=node`, pem);
  t.equal(late.status, 410);
  t.match(late.text, /expired/);
  // The refusal alone would leave it a machine that was silent for an hour: the next script would be of another boot.
  await fetch(`${first}/report`, { method: 'POST', body: 'stage=failed' });
  const renewed = await server.session();
  t.equal(renewed, first, 'it asked for its script again');
  t.equal((await fetch(`${first}/cloud-config`)).status, 200);
  const second = await server.session();
  t.not(second, first);
  t.equal((await post(`${first}/csr?name=node`, pem)).status, 410, 'replaced by a newer boot');
  t.equal((await post(`${second}/csr?name=node`, pem)).status, 200);
  t.equal((await fetch(`${second}/csr?name=node`)).status, 404, 'GET is nothing');
});

t.test('a machine that is not admitted any more, or has another role, gets none', async (t) => {
  let plan: ReturnType<NonNullable<ClusterServerOptions['plan']>> = {
    kind: 'boot',
    role: clusterRole(),
    hostname: 'node-1',
    parameters: {},
    reasons: [],
  };
  const server = await startClusterServer(t, { plan: () => plan });
  const session = await server.session();
  const { pem } = makeRequest(folder);
  plan = {
    kind: 'boot',
    role: clusterRole({ name: 'other' }),
    hostname: 'node-1',
    parameters: {},
    reasons: [],
  };
  const other = await post(`${session}/csr?name=node`, pem);
  t.match(other, { status: 409, text: /power it off and on/ });
  plan = { kind: 'wait', message: 'waits', reasons: ['not approved'] };
  const waits = await post(`${session}/csr?name=node`, pem);
  t.match(waits, { status: 403, text: /no longer admitted/ });
  plan = {
    kind: 'boot',
    role: clusterRole({ identity: 'none' }),
    hostname: 'node-1',
    parameters: {},
    reasons: [],
  };
  t.match(await post(`${session}/csr?name=node`, pem), { status: 403, text: /identity: none/ });
  plan = { kind: 'boot', role: clusterRole(ISSUED), hostname: 'node-1', parameters: {}, reasons: [] };
  t.match(await post(`${session}/csr?name=node`, pem), { status: 403, text: /are issued with its config/ });
});

t.test('without a reservation the address is the one that asks', async (t) => {
  const plan = {
    kind: 'boot',
    role: clusterRole(),
    hostname: 'node-1',
    parameters: {},
    reasons: [],
  } as const;
  const server = await startClusterServer(t, { plan: () => plan });
  const session = await server.session();
  const { text } = await post(`${session}/csr?name=node`, makeRequest(folder).pem);
  t.equal(new X509Certificate(text).subjectAltName, 'DNS:node-1, IP Address:127.0.0.1');
});

t.test('without a cluster no certificate is signed', async (t) => {
  const { url } = await startTestServer(t);
  const answer = await post(`${url}/boot/1-x/csr?name=node`, 'x');
  t.equal(answer.status, 404);
  t.match(answer.text, /tinderbox.yaml has no cluster/);
});

const fault = (code: 'unavailable' | 'refused' | 'busy' | 'expired') => async (): Promise<never> => {
  throw new TinderboxError(code, `the trouble is ${code}`);
};

t.test('what is our own fault is 503, told in log and timeline, and leaves nothing behind', async (t) => {
  const rows: [string, NonNullable<ClusterServerOptions['change']>, string][] = [
    [
      'a full disk',
      (one) => ({ ...one, book: { ...one.book, giveCertificate: fault('unavailable') } }),
      'failed',
    ],
    [
      'a database that is read-only',
      (one) => ({ ...one, book: { ...one.book, giveCertificate: fault('refused') } }),
      'failed',
    ],
    [
      'a database that cannot be read',
      (one) => ({ ...one, book: { ...one.book, certificateOf: fault('unavailable') } }),
      'failed',
    ],
    ['too many at once', (one) => ({ ...one, signRequest: fault('busy') }), 'refused'],
    ['an authority that expired', (one) => ({ ...one, signRequest: fault('expired') }), 'failed'],
  ];
  for (const [name, change, outcome] of rows) {
    const server = await startClusterServer(t, { change });
    const answer = await post(`${await server.session()}/csr?name=node`, makeRequest(folder, NODE).pem);
    t.equal(answer.status, 503, name);
    t.equal(answer.headers.get('retry-after'), '5');
    t.notMatch(answer.text, /BEGIN/);
    t.match(
      server.journal.observations.at(-1),
      {
        kind: 'http.csr',
        outcome,
        reasons: [/trouble/],
      },
      name,
    );
    t.equal(await server.store.certificateOf(1, 'node'), undefined);
  }
});

t.test('one of too many new machines gets no certificate yet, and is told to come again', async (t) => {
  const journal = { ...createFakeJournal(), keepRecord: () => 'full' as const };
  let signed = 0;
  const server = await startClusterServer(t, {
    journal,
    change: (one) => ({ ...one, signRequest: (...args) => (signed++, one.signRequest(...args)) }),
  });
  const answer = await post(`${await server.session()}/csr?name=node`, makeRequest(folder, NODE).pem);
  t.equal(answer.status, 503);
  t.equal(answer.headers.get('retry-after'), '5');
  t.match(answer.text, /too many new machines/);
  t.equal(signed, 0, 'nothing is signed in vain');
  t.equal(await server.store.certificateOf(1, 'node'), undefined);
  t.same(await server.store.listMachines({ limit: 9, offset: 0 }), []);
});

t.test('a session with a signing token is answered for as long as the token is valid', async (t) => {
  let now = Date.now();
  const server = await startClusterServer(t, { clock: () => now });
  const day = 86_400_000;
  const session = server.journal.record({
    at: now,
    kind: 'http.script',
    mac: MAC as never,
    facts: { mac: MAC as never },
    client: 'script',
    stage: 'script',
    outcome: 'answered',
    asked: 'a signing token',
    answered: '',
    reasons: [],
    assigned: { role: 'worker', hostname: 'node-1' },
    signingUntil: now + 7 * day,
  });
  if (session === undefined) throw new Error('no session');
  const url = `${server.url}/boot/${server.tokens.tokenFor(session)}/csr`;
  now += 6 * day;
  t.equal((await post(`${url}?name=node`, makeRequest(folder, NODE).pem)).status, 200);
  t.equal((await post(`${url}?name=node`, makeRequest(folder, NODE).pem)).status, 403, 'once');
  now += 2 * day;
  const late = await post(`${url}?name=kube-proxy`, makeRequest(folder).pem);
  t.match(late, { status: 410, text: /token has expired.*tinderbox iso/ });
  now -= 9 * day;
  const early = await post(`${url}?name=kube-proxy`, makeRequest(folder).pem);
  t.match(early, { status: 410, text: /clock of the server was set back/ });
});

/** Its URL, as it stands on an image. */
function makeToken({ journal, url, tokens }: Awaited<ReturnType<typeof startClusterServer>>): string {
  const at = Date.now();
  const session = journal.record({
    at,
    kind: 'http.csr',
    mac: MAC as never,
    facts: { mac: MAC as never },
    outcome: 'noted',
    asked: 'a signing token',
    answered: '',
    reasons: [],
    assigned: { role: 'worker', hostname: 'node-1' },
    signingUntil: at + 86_400_000,
  });
  if (session === undefined) throw new Error('no session');
  return `${url}/boot/${tokens.tokenFor(session)}`;
}

t.test('who boots in the name of a machine neither learns its signing token nor voids it', async (t) => {
  const server = await startClusterServer(t);
  const token = makeToken(server);
  const script = await (await fetch(`${server.url}/ipxe?mac=${MAC}`)).text();
  t.notMatch(script, token);
  const boot = await server.session();
  t.equal((await post(`${boot}/csr?name=node`, makeRequest(folder, NODE).pem)).status, 200);
  server.journal.record({
    at: Date.now(),
    kind: 'dhcp.discover',
    mac: MAC as never,
    client: 'rom',
    stage: 'offered',
    outcome: 'answered',
    asked: '',
    answered: '',
    reasons: [],
  });
  t.equal((await post(`${boot}/csr?name=kube-proxy`, makeRequest(folder).pem)).status, 410, 'a reset');
  const { pem } = makeRequest(folder, NODE);
  t.equal((await post(`${token}/csr?name=node`, pem)).status, 200);
  t.match(server.journal.observations.at(-1), { kind: 'http.csr', sessionId: 1, evidence: 'giving' });
  const newer = makeToken(server);
  const replaced = await post(`${token}/csr?name=node`, pem);
  t.match(replaced, { status: 410, text: /a newer one was made/ });
  t.equal((await post(`${newer}/csr?name=node`, pem)).status, 200);
});

t.test('a signing token gives no configuration, and nothing for keys that are issued', async (t) => {
  const issued = await startClusterServer(t, { role: clusterRole(ISSUED) });
  const own = await startClusterServer(t);
  for (const server of [issued, own]) {
    const token = makeToken(server);
    const config = await fetch(`${token}/cloud-config`);
    t.equal(config.status, 403);
    t.match(await config.text(), /for signing requests only/);
    t.match(server.journal.observations.at(-1), { kind: 'http.config', outcome: 'refused', sessionId: 1 });
  }
  t.equal(await issued.store.releaseOf(1), undefined);
  const answer = await post(`${makeToken(issued)}/csr?name=node`, makeRequest(folder, NODE).pem);
  t.match(answer, { status: 403, text: /are issued with its config/ }, 'its role changed since');
});

t.test('a clock that is set back makes no session young again', async (t) => {
  let now = Date.now();
  const server = await startClusterServer(t, { clock: () => now });
  const session = await server.session();
  const { pem } = makeRequest(folder, NODE);
  now -= 59_000;
  t.equal((await post(`${session}/csr?name=node`, pem)).status, 200, 'corrected by a little');
  now -= 2_000;
  t.match(await post(`${session}/csr?name=node`, pem), {
    status: 410,
    text: /clock of the server was set back/,
  });
  t.equal((await fetch(`${session}/cloud-config`)).status, 410);
  t.match(server.journal.observations.at(-1)?.reasons, [
    /is yet to come: the clock of this host was set back/,
  ]);
});
