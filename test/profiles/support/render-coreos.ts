import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { KeyDelivery } from '../../../src/machine/identity.ts';
import type { Parameters } from '../../../src/machine/role.ts';
import { type CloudConfig, fileOf, unitsOf } from './cloud-config.ts';
import { type RenderOptions, renderRole } from './render-role.ts';
import { sampleIdentity } from './sample-identity.ts';

export const MASTERS = [
  { hostname: 'master-1', address: '10.77.0.10' },
  { hostname: 'master-2', address: '10.77.0.11' },
];
/** As `apiServer: https://10.77.0.10` of tinderbox.yaml. */
export const CLUSTER: NonNullable<RenderOptions['cluster']> = {
  apiServer: 'https://10.77.0.10',
  apiServerPort: 443,
  controllers: MASTERS,
  etcd: MASTERS,
  etcdEndpoints: MASTERS.map(({ address }) => `https://${address}:2379`),
};

export interface CoreosOptions {
  readonly delivery?: KeyDelivery;
  readonly parameters?: Parameters;
  readonly cluster?: RenderOptions['cluster'];
}

export function worker({
  delivery = 'issued',
  parameters = {},
  cluster = CLUSTER,
}: CoreosOptions = {}): CloudConfig {
  const identity = sampleIdentity({ kind: 'worker', layout: 'coreos', delivery, nodeName: '10.77.0.21' });
  return renderRole('coreos-worker', { cluster, parameters, identity });
}

export function controller({
  delivery = 'issued',
  parameters = {},
  cluster = CLUSTER,
}: CoreosOptions = {}): CloudConfig {
  const [{ hostname, address }] = MASTERS as [(typeof MASTERS)[number]];
  const sample = {
    kind: 'controller',
    layout: 'coreos',
    delivery,
    hostname,
    address,
    nodeName: address,
  } as const;
  const identity = sampleIdentity(sample);
  const machine = { hostname, address, prefix: 24 };
  return renderRole('coreos-controller', { cluster, parameters, identity, machine });
}

export const BOTH = [
  ['coreos-worker', worker],
  ['coreos-controller', controller],
] as const;

interface Pod {
  readonly spec: {
    readonly containers: readonly { readonly image: string; readonly command: readonly string[] }[];
  };
}
export function podOf(config: CloudConfig, name: string) {
  const [container] = (parse(fileOf(config, `/etc/kubernetes/manifests/${name}.yaml`)) as Pod).spec
    .containers;
  if (container === undefined) throw new Error(`${name} has no container`);
  return container;
}

/** Prints the files of ~/.config/environment.d, which systemd reads as it does an EnvironmentFile. */
const READER = '/usr/lib/systemd/user-environment-generators/30-systemd-environment-d-generator';

/** What systemd makes of an environment file. */
export function environmentOf(config: CloudConfig, path: string): ReadonlyMap<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-environment-'));
  try {
    mkdirSync(join(folder, 'environment.d'));
    writeFileSync(join(folder, 'environment.d/machine.conf'), fileOf(config, path));
    const env = { HOME: folder, XDG_CONFIG_HOME: folder };
    const input = execFileSync(READER, { env, encoding: 'utf8' });
    // Quoted as a shell does.
    const variables = execFileSync('bash', ['-c', 'set -a; eval "$(cat)"; env -0'], {
      input,
      encoding: 'utf8',
    });
    return new Map(
      variables.split('\0').map((line): [string, string] => {
        const [name = '', ...value] = line.split('=');
        return [name, value.join('=')];
      }),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function kubeletOptions(config: CloudConfig): readonly string[] {
  const words = environmentOf(config, '/etc/kubernetes/kubelet.env').get('KUBELET_OPTS')?.trim().split(/\s+/);
  return words ?? [];
}

/** A key below `coreos` besides `units` and `update`. */
export const settingsOf = (config: CloudConfig, key: 'etcd2' | 'flannel') =>
  (config.coreos?.[key] ?? {}) as { readonly [setting: string]: unknown };

export const dropIn = (config: CloudConfig, unit: string, name: string) =>
  unitsOf(config)
    .find((one) => one.name === unit)
    ?.drop_ins?.find((one) => one.name === name)?.content ?? '';
