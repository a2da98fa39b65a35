import { resolveConfig } from '../../../src/config/resolve.ts';
import { bytesOf, textOf } from '../engine/mutate-text.ts';
import { type FuzzTarget, hold } from '../engine/target.ts';
import { checkProblems, YAML_WORDS, yamlMutators } from '../formats/yaml-texts.ts';

const FULL = `network:
  interface: enp0s8
dhcp:
  mode: server
  range: 10.77.0.100-10.77.0.200
  leaseTime: 1h
  router: 10.77.0.1
  dns: [10.77.0.1]
  domain: cluster.local
  knownOnly: true
http: { port: 8080, url: "http://tinder.example.org:8080" }
tftp: { port: 69, maxTransfers: 100 }
syslog: { port: 514 }
admin: { listen: 127.0.0.1:8080 }
admission: approve
log: { level: debug }
history: { days: 30, size: 1GB }
stageTime: { kernel: 5m }
cluster:
  name: kubernetes
  apiServer: https://10.77.0.10:6443
  podNetwork: 10.2.0.0/16
  serviceNetwork: 10.3.0.0/24
  dnsServiceIP: 10.3.0.10
  dnsDomain: cluster.local
  controllers: [{ hostname: master-1, address: 10.77.0.10 }]
paths: { profiles: ./profiles, assets: ./assets, state: ./var }
loaders: { bios: undionly.kpxe, uefi-x64: snponly.efi }
`;
const SUBNETS = `network: { interface: [eth1, eth2] }
dhcp:
  mode: server
  uefiProxy: offer
  subnets:
    - network: 10.77.0.0/24
      range: [10.77.0.100-10.77.0.150, 10.77.0.160-10.77.0.170]
      router: 10.77.0.1
      mtu: 9000
      ntp: [10.77.0.2]
    - network: 10.78.0.0/24
      range: 10.78.0.10-10.78.0.20
      via: relay
admin:
  listen: 0.0.0.0:8443
  tls: true
secureBoot: true
`;
const KEYS = [
  ...new Set([...`${FULL}${SUBNETS}`.matchAll(/([A-Za-z0-9-]+):/g)].map(([, key = '']) => key)),
  'other',
];
const VALUES = [
  '10.77.0.0/24',
  '10.77.0.5',
  '10.77.0.200-10.77.0.100',
  '0',
  '65535',
  '65536',
  '1h',
  '5m30s',
  '-1',
  '1GB',
  'server',
  'proxy',
  'off',
  'auto',
  '[]',
  '{}',
  'true',
  '""',
  'eth1',
  './x',
  '/x',
  'https://x',
  'http://[::1]:1',
  'x'.repeat(300),
];

export const target: FuzzTarget = {
  what: 'tinderbox.yaml: a configuration, or every problem with its line and column',
  aims: ['config/', 'document/'],
  maxLength: 2_000,
  seeds: () => [FULL, SUBNETS, ''].map(bytesOf),
  mutators: yamlMutators(KEYS, VALUES),
  dictionary: [
    ...YAML_WORDS,
    ...KEYS.map((key) => `${key}: `),
    Uint8Array.of(0xff, 0xfe),
    Uint8Array.of(0xc3),
  ],
  run(input) {
    const { config, problems } = resolveConfig({
      file: '/etc/tinderbox/tinderbox.yaml',
      content: input,
      folder: '/etc/tinderbox',
      env: {},
    });
    checkProblems(problems, textOf(input));
    const isBroken = problems.some(({ severity }) => severity === 'error');
    hold(isBroken === (config === undefined), 'a configuration with errors, or none without');
    if (config === undefined) return;
    for (const path of Object.values(config.paths))
      hold(path.startsWith('/'), () => `a path that is not absolute: ${path}`);
  },
};
