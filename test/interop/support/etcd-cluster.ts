import { type ChildProcess, execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  addAddress,
  addBridge,
  addVethPair,
  createNamespace,
  joinBridge,
  type NetworkNamespace,
  stopProcess,
} from '../../../src/lab/namespace.ts';
import { formatIpv4, type Ipv4 } from '../../../src/machine/ipv4.ts';
import type { Parameters } from '../../../src/machine/role.ts';
import { CERTIFICATE_PROFILES } from '../../../src/pki/certificate-profiles.ts';
import { entitledCertificates } from '../../../src/pki/entitled-certificates.ts';
import type { Authorities } from '../../../src/pki/port.ts';
import { clusterContext } from '../../../src/render/cluster-context.ts';
import { CLUSTER, open } from '../../pki/support/make-cluster.ts';
import type { CloudConfig } from '../../profiles/support/cloud-config.ts';
import { renderRole } from '../../profiles/support/render-role.ts';
import { ip } from '../../support/make-environment.ts';

/** What of a machine's root its files and scripts name, and that lies below a folder of the test instead. */
const MAPPED = ['/etc/', '/opt/', '/run/', '/var/lib/'];

export interface EtcdMember {
  readonly hostname: string;
  readonly address: string;
  /** Where the machine's root would be. */
  readonly root: string;
  readonly namespace: NetworkNamespace;
  /** Runs one of the scripts of /opt/tinderbox to its end; throws with what it said. */
  readonly run: (script: string, ...args: readonly string[]) => Promise<string>;
  /** Starts what its unit starts. */
  readonly start: () => void;
  readonly stop: () => Promise<void>;
  /** As a disk does that was replaced. */
  readonly loseData: () => void;
  /** All that its scripts and etcd have said. */
  readonly said: () => string;
}

export interface EtcdCluster extends AsyncDisposable {
  readonly members: readonly EtcdMember[];
  readonly folder: string;
  readonly authorities: Authorities;
}

export interface EtcdSite {
  /** 3 unless told, at most 9. */
  readonly count?: number;
  /** New ones unless told. */
  readonly authorities?: Authorities;
  /** A bridge in 10.77.0.0/24 that they are plugged into; one of their own unless told. */
  readonly network?: { readonly namespace: NetworkNamespace; readonly bridge: string };
}

/** Machines with the files of the role `etcd`, each in a network namespace, on one bridge. Nothing is started. */
export async function makeEtcdCluster(parameters: Parameters, site: EtcdSite = {}): Promise<EtcdCluster> {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-etcd-'));
  const authorities = site.authorities ?? (await open(folder));
  const peers = Array.from({ length: site.count ?? 3 }, (_, index) => ({
    hostname: `etcd-${index + 1}`,
    address: ip(`10.77.0.1${index + 1}`),
  }));
  const { namespace: hub, bridge } = site.network ?? (await makeHub());
  const members: EtcdMember[] = [];
  for (const [index, peer] of peers.entries()) {
    const namespace = await createNamespace(peer.hostname);
    await addVethPair({ namespace: hub, name: `p${index}` }, { namespace, name: 'eth0' });
    await joinBridge(hub, `p${index}`, bridge);
    await addAddress(namespace, 'eth0', `${formatIpv4(peer.address)}/24`);
    const root = join(folder, peer.hostname);
    placeFiles(renderMember(peer, peers, parameters), root);
    for (const program of ['etcd', 'etcdctl'])
      symlinkSync(`/usr/bin/${program}`, join(root, 'opt/bin', program));
    await placeCertificates(authorities, peer, root);
    members.push(member(namespace, peer, root));
  }
  return {
    members,
    folder,
    authorities,
    async [Symbol.asyncDispose]() {
      await Promise.all(members.map((one) => one.stop()));
      for (const { namespace } of members) await namespace[Symbol.asyncDispose]();
      if (site.network === undefined) await hub[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function makeHub(): Promise<NonNullable<EtcdSite['network']>> {
  const namespace = await createNamespace('hub');
  await addBridge(namespace, 'br0');
  return { namespace, bridge: 'br0' };
}

interface Peer {
  readonly hostname: string;
  readonly address: Ipv4;
}

function renderMember(peer: Peer, peers: readonly Peer[], parameters: Parameters): CloudConfig {
  const settings = {
    name: 'kubernetes',
    ...CLUSTER,
    podNetwork: '10.2.0.0/16',
    dnsServiceIP: '10.3.0.10',
    controllers: [],
    etcd: [],
  };
  return renderRole('etcd', {
    parameters,
    machine: { hostname: peer.hostname, address: formatIpv4(peer.address), prefix: 24 },
    cluster: clusterContext(settings, { controllers: [], etcd: peers }),
  });
}

/** As coreos-cloudinit writes them, but below `root`. */
function placeFiles(config: CloudConfig, root: string): void {
  mkdirSync(join(root, 'opt/bin'), { recursive: true });
  for (const { path, content, permissions = '0644' } of config.write_files ?? []) {
    const place = join(root, path);
    mkdirSync(dirname(place), { recursive: true });
    // Not within a longer path, such as /usr/etc/.
    const mapped = MAPPED.reduce(
      (text, part) => text.replaceAll(new RegExp(`(?<![\\w.-])${part}`, 'g'), `${root}${part}`),
      content,
    );
    writeFileSync(place, mapped);
    chmodSync(place, Number.parseInt(permissions, 8));
  }
}

async function placeCertificates(authorities: Authorities, peer: Peer, root: string): Promise<void> {
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text, { mode: 0o600 });
  };
  write('/etc/kubernetes/pki/etcd/ca.crt', authorities.trustOf('etcd'));
  const facts = {
    identity: 'etcd',
    hostname: peer.hostname,
    addresses: [peer.address],
    cluster: CLUSTER,
    controllers: [],
  } as const;
  for (const entitlement of entitledCertificates(facts)) {
    const profile = CERTIFICATE_PROFILES.find(({ name }) => name === entitlement.name);
    const { certificatePem, keyPem } = await authorities.issue(entitlement);
    write(profile?.files.current.certificate ?? '', certificatePem);
    write(profile?.files.current.key ?? '', keyPem);
  }
}

function member(namespace: NetworkNamespace, peer: Peer, root: string): EtcdMember {
  let child: ChildProcess | undefined;
  const log = join(root, 'log');
  writeFileSync(log, '');
  const stop = async () => {
    if (child !== undefined) await stopProcess(child);
    child = undefined;
  };
  return {
    hostname: peer.hostname,
    address: formatIpv4(peer.address),
    root,
    namespace,
    run: (script, ...args) => namespace.run([join(root, 'opt/tinderbox', script), ...args]),
    start() {
      const output = openSync(log, 'a');
      child = namespace.spawn([join(root, 'opt/tinderbox/start-etcd')], {
        stdio: ['ignore', output, output],
      });
    },
    stop,
    loseData: () => execFileSync('rm', ['-rf', join(root, 'var/lib/etcd')]),
    said: () => readFileSync(log, 'utf8'),
  };
}

/** Generous: what it bounds is a test that would wait for ever. */
const PATIENCE = 60_000;

/** Asks again until it is so; throws what was the last reason why not. */
export async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + PATIENCE;
  let why: unknown;
  while (Date.now() < end) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (thrown) {
      why = thrown;
    }
    await delay(200);
  }
  throw new Error('it has not become so', { cause: why });
}
