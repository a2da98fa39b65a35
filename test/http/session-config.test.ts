import t, { type Test } from 'tap';
import { parse } from 'yaml';
import type { Mac } from '../../src/machine/mac.ts';
import type { Role, RoleConfig, TemplateSource } from '../../src/machine/role.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { clusterRole, ISSUED, MAC, startClusterServer } from './start-cluster-server.ts';
import { bootPlan, startTestServer, testRole } from './start-test-server.ts';

const source = (text: string): TemplateSource => ({ file: 'x.hbs', text, line: 1 });
const files = (texts: Readonly<Record<string, string>>) =>
  new Map(Object.entries(texts).map(([name, text]) => [name, source(text)]));

const USER_DATA = '#cloud-config\nhostname: {{machine.hostname}}\n';
const NOCLOUD: RoleConfig = { format: 'nocloud', template: source(USER_DATA) };
const RAW: RoleConfig = {
  format: 'raw',
  template: source('d-i x/y string {{machine.mac}}\n'),
  files: files({ 'late.sh': '#!/bin/sh\n', empty: '{{#if machine.address}}x{{/if}}' }),
};

const roleWith = (config: RoleConfig): Role => ({ ...testRole(), config });

async function get(url: string, method = 'GET') {
  const response = await fetch(url, { method });
  return { status: response.status, type: response.headers.get('content-type'), text: await response.text() };
}

async function start(t: Test, config: RoleConfig) {
  const plan = () => bootPlan(roleWith(config));
  const renderer = {
    bootstrapScript: () => '',
    machineScript: ({ context }: { readonly context: { readonly configUrl: string } }) => context.configUrl,
    waitScript: () => '',
    refusalScript: () => '',
    renderConfig,
  };
  const server = await startTestServer(t, { plan, renderer });
  const configUrl = await (await fetch(`${server.url}/ipxe?mac=${MAC}`)).text();
  return { ...server, configUrl, session: /^.*\/boot\/[\w-]+/.exec(configUrl)?.[0] ?? '' };
}

t.test('cloud-init finds its four files behind the URL of its kernel arguments', async (t) => {
  const { configUrl, session, journal } = await start(t, NOCLOUD);
  t.equal(configUrl, `${session}/nocloud/`, 'it puts the names right behind it');
  // In the order in which cloud-init asks (its util.py: read_seeded).
  const metaData = await get(`${configUrl}meta-data`);
  t.equal(metaData.status, 200);
  t.strictSame(parse(metaData.text), { 'instance-id': 'i-525400123456-1', 'local-hostname': 'node-1' });
  t.equal(journal.sessionById(1)?.stage, 'script', 'that proves nothing: keys are not in it');
  const userData = await get(`${configUrl}user-data`);
  t.strictSame(userData, {
    status: 200,
    type: 'text/cloud-config; charset=utf-8',
    text: '#cloud-config\nhostname: node-1\n',
  });
  t.equal(journal.sessionById(1)?.stage, 'config');
  for (const name of ['vendor-data', 'network-config']) {
    const answer = await get(`${configUrl}${name}`);
    t.equal(answer.status, 200, 'at a 404 cloud-init would try eleven times');
    t.equal(answer.text, '');
  }
  t.match(
    journal.observations
      .slice(1)
      .map(({ kind, outcome, stage, answered }) => [kind, outcome, stage, answered]),
    [
      ['http.config-file', 'answered', undefined, /^the meta-data of role worker for node-1, \d+ bytes$/],
      ['http.config', 'answered', 'config', /^the user-data of role worker for node-1, 31 bytes$/],
      ['http.config-file', 'answered', undefined, /^the vendor-data of role worker/],
      ['http.config-file', 'answered', undefined, /^the network-config of role worker/],
    ],
  );
  t.equal((await get(`${configUrl}user-data`)).status, 200, 'without keys it is given as often as asked for');
});

t.test(
  'each boot has another instance-id, or what stays on a disk would not be configured anew',
  async (t) => {
    const { url, configUrl, journal } = await start(t, NOCLOUD);
    const first = await get(`${configUrl}meta-data`);
    journal.record({
      at: Date.now(),
      mac: MAC as Mac,
      kind: 'dhcp.discover',
      outcome: 'answered',
      asked: '',
      answered: '',
      reasons: [],
      client: 'rom',
    });
    const next = await (await fetch(`${url}/ipxe?mac=${MAC}`)).text();
    t.not(next, configUrl);
    const second = await get(`${next}meta-data`);
    t.not(second.text, first.text);
    t.notMatch(second.text, /[\w-]{32}/, 'the token of the session is not in it');
  },
);

t.test('a raw configuration has as many files as its role names', async (t) => {
  const { configUrl, session, journal } = await start(t, RAW);
  t.equal(configUrl, `${session}/raw`);
  t.strictSame(await get(configUrl), {
    status: 200,
    type: 'text/plain; charset=utf-8',
    text: `d-i x/y string ${MAC}\n`,
  });
  t.equal(journal.sessionById(1)?.stage, 'config');
  t.equal((await get(`${configUrl}/late.sh`)).text, '#!/bin/sh\n');
  const empty = await get(`${configUrl}/empty`);
  t.equal(empty.status, 500, 'never an empty text with 200');
  t.match(journal.observations.at(-1), {
    kind: 'http.config-file',
    outcome: 'failed',
    reasons: [/rule 1/, /the empty of role worker could not be rendered: .*rendered to nothing/].slice(1),
  });
  const table: readonly [string, number][] = [
    ['nothing', 404],
    ['..%2fcloud-config', 404],
    ['%00', 404],
    ['x'.repeat(190), 404],
    ['x'.repeat(300), 400],
    ['late.sh/', 404],
  ];
  for (const [name, status] of table) t.equal((await get(`${configUrl}/${name}`)).status, status, name);
});

t.test('who asks for another format than its role gives is told which one it is', async (t) => {
  const { session, journal } = await start(t, NOCLOUD);
  for (const path of ['cloud-config', 'ignition', 'raw', 'raw/user-data']) {
    const answer = await get(`${session}/${path}`);
    t.equal(answer.status, 404, path);
    t.match(
      answer.text,
      /^the configuration of role worker is nocloud, not (cloud-config|ignition|raw); its URL is/,
    );
    t.match(journal.observations.at(-1), {
      outcome: 'refused',
      answered: '404',
      reasons: [/is nocloud, not/],
    });
    t.equal(journal.observations.at(-1)?.stage, undefined);
  }
  t.equal((await get(`${session}/nocloud/other`)).status, 404);
  t.equal(
    (await get(`${session}/nocloud/user-data`, 'HEAD')).status,
    404,
    'nobody asks so, and it proves nothing',
  );
  t.equal(journal.sessionById(1)?.stage, 'script');
});

t.test('keys are in user-data alone, and it is released once', async (t) => {
  const keys = `{{#each identity.certificates}}\n  - {path: "{{keyFile}}", content: {{json key}} }\n{{/each}}`;
  const role = clusterRole({
    ...ISSUED,
    config: {
      format: 'nocloud',
      template: source(`#cloud-config\nwrite_files:\n${keys}\n`),
      files: files({ 'vendor-data': `#cloud-config\nwrite_files:\n  - {path: /a}\n${keys}\n` }),
    },
  });
  const server = await startClusterServer(t, { role });
  const session = await server.session();
  for (const name of ['meta-data', 'vendor-data', 'network-config', 'vendor-data']) {
    const answer = await get(`${session}/nocloud/${name}`);
    t.equal(answer.status, 200, name);
    t.notMatch(answer.text, /PRIVATE KEY/, name);
  }
  t.equal(await server.store.releaseOf(1), undefined, 'nothing was begun');
  t.equal((await get(`${session}/nocloud/user-data`, 'HEAD')).status, 404);
  const first = await get(`${session}/nocloud/user-data`);
  t.match(first.text, /BEGIN PRIVATE KEY/);
  t.match(
    server.journal.observations,
    [{ answered: /^released once, to 127\.0\.0\.1: the user-data of role/ }].slice(1),
  );
  while ((await server.store.releaseOf(1))?.completedAt === undefined) await new Promise(setImmediate);
  t.equal((await get(`${session}/nocloud/user-data`)).status, 410);
  t.equal((await get(`${session}/nocloud/meta-data`)).status, 200, 'the rest goes on');
  t.match(server.journal.observations.filter(({ kind }) => kind === 'security.alarm').length, 1);
});
