import t from 'tap';
import type { InitAnswers } from '../../src/config/init-answers.ts';
import { resolveConfig } from '../../src/config/resolve.ts';
import { writeConfigText } from '../../src/config/write-config-text.ts';
import {
  type Ipv4,
  type Ipv4Network,
  type Ipv4Range,
  parseIpv4,
  parseNetwork,
  parseRange,
} from '../../src/machine/ipv4.ts';

const PATHS = {
  profiles: '/etc/tinderbox/profiles',
  assets: '/srv/a folder',
  state: '/var/lib/tinderbox/state',
};
const PROXY: InitAnswers = {
  interfaces: ['eth1'],
  mode: 'proxy',
  subnets: [],
  leaseTime: '1h',
  dns: [],
  admission: 'approve',
  paths: PATHS,
};
const range = (text: string): Ipv4Range => parseRange(text) as Ipv4Range;
const cluster = {
  apiServer: 'https://10.77.0.1:6443',
  podNetwork: parseNetwork('10.2.0.0/16') as Ipv4Network,
  serviceNetwork: parseNetwork('10.9.0.0/24') as Ipv4Network,
};
const SERVER: InitAnswers = {
  ...PROXY,
  mode: 'server',
  leaseTime: '30m',
  dns: [parseIpv4('192.0.2.53') as Ipv4],
  domain: '10',
  subnets: [{ range: range('10.77.0.100-10.77.0.200'), router: parseIpv4('10.77.0.1') as Ipv4 }],
};

/** The text read back: what each answer came to. */
function readBack(t: { same(found: unknown, wanted: unknown): unknown }, answers: InitAnswers) {
  const content = writeConfigText(answers, '/usr/share/tinderbox/schemas/tinderbox.schema.json');
  const { config, problems } = resolveConfig({
    file: '/etc/tinderbox/tinderbox.yaml',
    content,
    folder: '/etc',
    env: {},
  });
  t.same(problems, []);
  if (config === undefined) throw new Error(content);
  return { config, content };
}

t.test('every key says what it is for, and editors find the schema', async (t) => {
  const { content, config } = readBack(t, PROXY);
  t.match(
    content,
    /^# yaml-language-server: \$schema=\/usr\/share\/tinderbox\/schemas\/tinderbox\.schema\.json\n/,
  );
  for (const line of content.split('\n')) {
    t.ok(line.length <= 130, line);
    if (/^ +(profiles|assets|state|interface):/.test(line)) t.match(line, / # /);
  }
  t.match(config, { dhcp: { mode: 'proxy', subnets: [] }, admission: 'approve', paths: PATHS });
});

t.test('the answers of server mode come back as they were given', async (t) => {
  const { config } = readBack(t, SERVER);
  t.match(config.dhcp, {
    mode: 'server',
    subnets: [{ ranges: [range('10.77.0.100-10.77.0.200')], leaseTime: 1800, domain: '10', dns: SERVER.dns }],
  });
});

t.test('several networks become entries of subnets', async (t) => {
  const more = { range: range('10.78.0.100-10.78.0.200') };
  const { config, content } = readBack(t, {
    ...SERVER,
    interfaces: ['eth1', 'null'],
    subnets: [...SERVER.subnets, more],
  });
  t.match(content, /\n {2}subnets: /);
  t.same(config.network.interfaces, ['eth1', 'null'], 'what YAML would read as another thing is quoted');
  t.same(
    config.dhcp.subnets.map(({ ranges, router }) => [ranges, router]),
    [
      [[range('10.77.0.100-10.77.0.200')], SERVER.subnets[0]?.router],
      [[more.range], undefined],
    ],
  );
});

t.test('a cluster comes back, and without one its block is there to be filled in', async (t) => {
  t.match(readBack(t, { ...PROXY, cluster }).config.cluster, {
    ...cluster,
    podNetwork: '10.2.0.0/16',
    serviceNetwork: '10.9.0.0/24',
  });
  const { config, content } = readBack(t, { ...PROXY, mode: 'off' });
  t.equal(config.cluster, undefined);
  t.match(content, /\n# cluster:\n# {3}apiServer: /);
});
