import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type NetworkNamespace, stopProcess } from '../../src/lab/namespace.ts';
import { type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';
import {
  administratorEntitlement,
  entitledCertificates,
  findEntitlement,
} from '../../src/pki/entitled-certificates.ts';
import type { Authorities, ClusterNames } from '../../src/pki/port.ts';
import type { NodeObject } from './api-server.ts';

const PROGRAM = join(import.meta.dirname, 'api-server.ts');

export interface RunApiServerOptions {
  readonly namespace: NetworkNamespace;
  readonly address: string;
  readonly authorities: Authorities;
  /** For certificates; made. */
  readonly folder: string;
  readonly cluster: ClusterNames;
  /** `https://…:2379` of the etcd that it keeps Nodes in. */
  readonly etcd: string;
}

/** The stand-in API server as a process in a namespace, with certificates of Tinderbox's own authorities. */
export interface RunningApiServer extends AsyncDisposable {
  /** The Kubernetes authority, for `openssl verify`. */
  readonly authorityFile: string;
  /** Undefined: there is none. Asked as an administrator, as the next one. */
  node(name: string): Promise<NodeObject | undefined>;
  setReady(name: string, ready: boolean): Promise<void>;
}

export async function runApiServer(options: RunApiServerOptions): Promise<RunningApiServer> {
  const { namespace, address, folder, cluster, authorities } = options;
  await mkdir(folder, { recursive: true });
  const entitled = entitledCertificates({
    identity: 'controller',
    hostname: 'stand-in',
    addresses: [parseIpv4(address) as Ipv4],
    cluster,
    controllers: [{ hostname: 'stand-in', addresses: [parseIpv4(address) as Ipv4] }],
  });
  const server = await authorities.issue(findEntitlement(entitled, 'kube-apiserver'));
  const client = await authorities.issue(findEntitlement(entitled, 'kube-apiserver-etcd-client'));
  const administrator = await authorities.issue(administratorEntitlement('tester'));
  const write = async (name: string, text: string): Promise<string> => {
    await writeFile(join(folder, name), text, { mode: 0o600 });
    return join(folder, name);
  };
  const authorityFile = await write('ca.crt', authorities.trustOf('kubernetes'));
  const files = {
    certificate: await write('server.crt', server.certificatePem),
    key: await write('server.key', server.keyPem),
  };
  const etcd = {
    authority: await write('etcd-ca.crt', authorities.trustOf('etcd')),
    certificate: await write('etcd-client.crt', client.certificatePem),
    key: await write('etcd-client.key', client.keyPem),
  };
  const admin = {
    certificate: await write('admin.crt', administrator.certificatePem),
    key: await write('admin.key', administrator.keyPem),
  };
  const port = new URL(cluster.apiServer).port || '443';
  const argv = [
    ['--ca', authorityFile, '--certificate', files.certificate, '--key', files.key],
    ['--etcd', options.etcd, '--etcd-ca', etcd.authority],
    ['--etcd-certificate', etcd.certificate, '--etcd-key', etcd.key],
  ].flat();
  const child = namespace.spawn([process.execPath, PROGRAM, '--listen', `${address}:${port}`, ...argv], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [ready] = await Promise.race([
    once(child.stdout as NodeJS.ReadableStream, 'data'),
    once(child, 'exit').then(([code]) => [`it ended with ${String(code)}`]),
  ]);
  if (!String(ready).startsWith('ready ')) throw new Error(`no API server: ${String(ready)}`);

  const call = (path: string, ...more: readonly string[]): Promise<string> =>
    namespace.run(
      [
        ['curl', '--silent', '--show-error', '--max-time', '30', '--cacert', authorityFile],
        ['--cert', admin.certificate, '--key', admin.key, ...more],
        [`${cluster.apiServer}/api/v1/nodes/${path}`],
      ].flat(),
    );
  return {
    authorityFile,
    async node(name) {
      const answer = JSON.parse(await call(name)) as NodeObject & { kind?: string };
      return answer.kind === 'Node' ? answer : undefined;
    },
    async setReady(name, isReady) {
      const condition = isReady
        ? { type: 'Ready', status: 'True', reason: 'KubeletReady' }
        : { type: 'Ready', status: 'False', reason: 'KubeletNotReady' };
      const body = JSON.stringify({ status: { conditions: [condition] } });
      const type = 'Content-Type: application/merge-patch+json';
      await call(`${name}/status`, '--fail', '--request', 'PATCH', '--header', type, '--data', body);
    },
    [Symbol.asyncDispose]: () => stopProcess(child),
  };
}
