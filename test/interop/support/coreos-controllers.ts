import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parse } from 'yaml';
import {
  addAddress,
  addBridge,
  addVethPair,
  createNamespace,
  joinBridge,
  type NetworkNamespace,
} from '../../../src/lab/namespace.ts';
import { formatIpv4 } from '../../../src/machine/ipv4.ts';
import { profileOf } from '../../../src/pki/certificate-profiles.ts';
import { entitledCertificates } from '../../../src/pki/entitled-certificates.ts';
import type { Authorities, EntitlementFacts } from '../../../src/pki/port.ts';
import { clusterContext } from '../../../src/render/cluster-context.ts';
import type { IdentityContext } from '../../../src/render/context.ts';
import { renderConfig } from '../../../src/render/render-config.ts';
import { CLUSTER, open } from '../../pki/support/make-cluster.ts';
import { contextOf, readShippedRole } from '../../render/read-shipped-role.ts';
import { ip } from '../../support/make-environment.ts';

const PROFILES = join(import.meta.dirname, '../../../profiles');
export const CONTROLLERS = [
  { hostname: 'master-1', address: ip('10.77.0.11') },
  { hostname: 'master-2', address: ip('10.77.0.12') },
];
const WORKER = { hostname: 'node-1', address: ip('10.77.0.21') };

/** Which of the two etcds of a controller. */
export type Etcd = 'etcd2' | 'flannel-etcd';

export interface CoreosMachine {
  readonly address: string;
  readonly namespace: NetworkNamespace;
  /** Where a path of the machine is in this test. */
  readonly at: (path: string) => string;
}

export interface CoreosController extends CoreosMachine {
  readonly start: (etcd: Etcd) => void;
  /** What its etcds have said. */
  readonly said: () => string;
}

export interface CoreosCluster extends AsyncDisposable {
  readonly controllers: readonly CoreosController[];
  readonly worker: CoreosMachine;
}

/**
 * Controllers and a worker with the files that their roles render and keys that were issued to them, each in a network
 * namespace, on one bridge. Debian's etcd stands in for the image that CoreOS' wrapper runs; nothing is started.
 */
export async function makeCoreosCluster(): Promise<CoreosCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-coreos-'));
  const authorities = await open(folder);
  const hub = await createNamespace('hub');
  await addBridge(hub, 'br0');
  const machineAt = async ({ hostname, address }: (typeof CONTROLLERS)[number]): Promise<CoreosMachine> => {
    const namespace = await createNamespace(hostname);
    await addVethPair({ namespace: hub, name: hostname }, { namespace, name: 'eth0' });
    await joinBridge(hub, hostname, 'br0');
    await addAddress(namespace, 'eth0', `${formatIpv4(address)}/24`);
    return { address: formatIpv4(address), namespace, at: (path) => join(folder, hostname, path) };
  };
  const controllers: CoreosController[] = [];
  for (const peer of CONTROLLERS) {
    const machine = await machineAt(peer);
    const config = await place(machine, authorities, 'coreos-controller', peer);
    controllers.push({
      ...machine,
      start: (etcd) => startEtcd(machine, etcd, config),
      said: () => readFileSync(machine.at('/log'), 'utf8'),
    });
  }
  const worker = await machineAt(WORKER);
  await place(worker, authorities, 'coreos-worker', WORKER);
  return {
    controllers,
    worker,
    async [Symbol.asyncDispose]() {
      for (const { namespace } of [...controllers, worker]) await namespace[Symbol.asyncDispose]();
      await hub[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

interface CloudConfig {
  readonly write_files: readonly {
    readonly path: string;
    readonly content: string;
    readonly permissions: string;
  }[];
  readonly coreos: { readonly etcd2?: { readonly [key: string]: string | boolean } };
}

/** Renders a role and writes its files, as coreos-cloudinit does. */
async function place(
  { at }: CoreosMachine,
  authorities: Authorities,
  name: 'coreos-controller' | 'coreos-worker',
  { hostname, address }: (typeof CONTROLLERS)[number],
): Promise<CloudConfig> {
  const role = readShippedRole(PROFILES, name);
  const context = contextOf(role);
  const settings = {
    name: 'kubernetes',
    ...CLUSTER,
    podNetwork: '10.2.0.0/16',
    dnsServiceIP: '10.3.0.10',
    controllers: [],
    etcd: [],
  };
  const facts: EntitlementFacts = {
    identity: role.identity,
    hostname,
    addresses: [address],
    nodeName: formatIpv4(address),
    cluster: CLUSTER,
    controllers: CONTROLLERS.map((peer) => ({ hostname: peer.hostname, addresses: [peer.address] })),
  };
  const { body } = renderConfig(role, {
    ...context,
    machine: { ...context.machine, hostname, address: formatIpv4(address), prefix: 24 },
    cluster: clusterContext(settings, { controllers: CONTROLLERS, etcd: CONTROLLERS }),
    identity: await issue(authorities, facts),
  });
  const config = parse(body) as CloudConfig;
  for (const { path, content, permissions } of config.write_files) {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), content.replaceAll('/etc/kubernetes/', `${at('/etc/kubernetes')}/`));
    chmodSync(at(path), Number.parseInt(permissions, 8));
  }
  return config;
}

async function issue(authorities: Authorities, facts: EntitlementFacts): Promise<IdentityContext> {
  const certificates: IdentityContext['certificates'][number][] = [];
  for (const entitlement of entitledCertificates(facts)) {
    const { certificatePem, keyPem } = await authorities.issue(entitlement);
    const files = profileOf(entitlement.name).files.coreos;
    certificates.push({
      name: entitlement.name,
      commonName: entitlement.subject.commonName,
      organizations: entitlement.subject.organizations,
      dns: entitlement.names.dns,
      addresses: entitlement.names.addresses.map(formatIpv4),
      certificateFile: files.certificate,
      keyFile: files.key,
      url: '',
      certificate: certificatePem,
      key: keyPem,
    });
  }
  const trusted =
    facts.identity === 'controller' ? (['kubernetes', 'etcd'] as const) : (['kubernetes'] as const);
  return {
    kind: facts.identity,
    delivery: 'issued',
    nodeName: facts.nodeName ?? facts.hostname,
    certificates,
    authorities: trusted.map((name) => ({
      name,
      file: name === 'etcd' ? '/etc/kubernetes/ssl/etcd-ca.pem' : '/etc/kubernetes/ssl/ca.pem',
      certificate: authorities.trustOf(name),
    })),
    serviceAccounts: { publicKeyFile: '', privateKeyFile: '', publicKey: '', privateKey: '' },
  };
}

/** With the environment that its unit has: of flannel's it is a file, of Kubernetes' what coreos-cloudinit makes of `etcd2`. */
function startEtcd({ at, namespace }: CoreosMachine, etcd: Etcd, { coreos }: CloudConfig): void {
  const lines =
    etcd === 'flannel-etcd'
      ? readFileSync(at('/etc/flannel/etcd.env'), 'utf8').trim().split('\n')
      : Object.entries(coreos.etcd2 ?? {}).map(
          ([key, value]) =>
            `ETCD_${key.toUpperCase()}=${String(value).replace('/etc/kubernetes/', `${at('/etc/kubernetes')}/`)}`,
        );
  const environment = lines.map((line) => line.replace('=/var/lib/', `=${at('/var/lib')}/`));
  mkdirSync(at('/var/lib/etcd'), { recursive: true });
  const log = openSync(at('/log'), 'a');
  namespace.spawn(['env', '-i', ...environment, '/usr/bin/etcd'], { stdio: ['ignore', log, log] });
  closeSync(log);
}
