import { stringify } from 'yaml';
import { formatIpv4, formatNetwork, formatRange } from '../machine/ipv4.ts';
import type { InitAnswers, InitSubnet } from './init-answers.ts';

/** Where the comments of a block stand, as far as its values leave room. */
const COMMENT_COLUMN = 45;

/**
 * The text of a tinderbox.yaml that whoever reads it first can change. `schema`: the path or URL of its JSON Schema, for
 * editors. Pure; whether the values are any good is for resolveConfig to say.
 */
export function writeConfigText(answers: InitAnswers, schema: string): string {
  const { interfaces, admission, paths } = answers;
  const only = interfaces.length === 1 ? interfaces[0] : interfaces;
  return [
    `# yaml-language-server: $schema=${schema}`,
    '# The configuration of Tinderbox, written by `tinderbox init`; from now on it is yours to edit. It is read when the',
    '# service starts: after a change `tinderbox check`, then `systemctl restart tinderbox`.',
    '',
    'network:',
    line(2, 'interface', only, 'where machines boot; its addresses are read from it'),
    '',
    ...dhcpLines(answers),
    '',
    '# Who may boot. open: any machine | approve: unknown ones wait for `tinderbox approve` | listed: only the machines of',
    '# machines.yaml. What a machine becomes is said there, too.',
    line(0, 'admission', admission, ''),
    '',
    ...clusterLines(answers),
    '# The web page and the API over TCP; `tinderbox token` shows what to sign in with.',
    '# admin:',
    '#   listen: 127.0.0.1:8080                   # this host alone; any other address is served over TLS',
    '',
    'paths:',
    line(2, 'profiles', paths.profiles, 'the roles, and machines.yaml: who boots what'),
    line(2, 'assets', paths.assets, 'what machines fetch: kernels, initrds'),
    line(2, 'state', paths.state, 'leases, history, keys: keep it, nobody else may read it'),
    '',
  ].join('\n');
}

function dhcpLines({ mode, subnets, leaseTime, dns, domain }: InitAnswers): readonly string[] {
  const head = [
    'dhcp:',
    '  # server: Tinderbox gives addresses | proxy: another server does, and Tinderbox only says what to boot | off',
    line(2, 'mode', mode, ''),
  ];
  if (mode !== 'server') return head;
  const common = [
    line(2, 'leaseTime', leaseTime, 'how long a machine may keep an address unasked'),
    dns.length === 0
      ? '  # dns: [192.0.2.53]                        # a resolver that machines reach; Tinderbox itself is none'
      : line(2, 'dns', dns.map(formatIpv4), 'resolvers that machines reach; Tinderbox itself is none'),
    domain === undefined
      ? '  # domain: cluster.local                    # where machines look up short names'
      : line(2, 'domain', domain, 'where machines look up short names'),
  ];
  const [first, ...more] = subnets;
  if (first === undefined) return [...head, ...common];
  if (more.length === 0) return [...head, ...subnetLines(first, 2), ...common];
  return [
    ...head,
    ...common,
    '  subnets:                                   # one for each network; the interface says which it is',
    ...subnets.flatMap((subnet) => {
      const [range = '', ...rest] = subnetLines(subnet, 6);
      return [`    - ${range.trimStart()}`, ...rest];
    }),
  ];
}

function subnetLines({ range, router }: InitSubnet, indent: number): readonly string[] {
  return [
    line(indent, 'range', formatRange(range), 'the addresses to give, both ends included'),
    router === undefined
      ? `${' '.repeat(indent)}# router: ADDRESS`.padEnd(COMMENT_COLUMN) +
        '# where machines send the rest; without it they stay in their network'
      : line(indent, 'router', formatIpv4(router), 'where machines send what is for other networks'),
  ];
}

function clusterLines({ cluster }: InitAnswers): readonly string[] {
  if (cluster === undefined) {
    return [
      '# The Kubernetes cluster that machines join. With this block the first start makes its certificate authorities.',
      '# cluster:',
      '#   apiServer: https://10.77.0.1:6443        # where kubelets find the API server',
      '',
    ];
  }
  return [
    '# The Kubernetes cluster that machines join. The first start makes its certificate authorities in paths.state;',
    '# to take over those of a cluster that exists: `tinderbox ca import` before that.',
    'cluster:',
    line(2, 'apiServer', cluster.apiServer, 'where kubelets find the API server'),
    line(2, 'podNetwork', formatNetwork(cluster.podNetwork), 'addresses of pods'),
    line(2, 'serviceNetwork', formatNetwork(cluster.serviceNetwork), 'addresses of services'),
    '',
  ];
}

/** `key: value  # comment`. The value is quoted where YAML would read another one. */
function line(indent: number, key: string, value: unknown, comment: string): string {
  const text = stringify(
    { [key]: value },
    { lineWidth: 0, collectionStyle: 'flow', flowCollectionPadding: false },
  );
  // A flow map of one pair: `{key: value}`.
  const pair = `${' '.repeat(indent)}${text.trim().slice(1, -1)}`;
  return comment === '' ? pair : `${pair.padEnd(COMMENT_COLUMN - 1)} # ${comment}`;
}
