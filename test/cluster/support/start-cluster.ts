import type { Test } from 'tap';
import type { ClusterCredentials } from '../../../src/cluster/port.ts';
import { watcherEntitlement } from '../../../src/pki/entitled-certificates.ts';
import type { Authorities, Entitlement } from '../../../src/pki/port.ts';
import { CONTROLLER, entitlement, makeFolder, open } from '../../pki/support/make-cluster.ts';
import { type ApiServer, type ApiServerOptions, startApiServer } from '../../support/api-server.ts';
import { ip } from '../../support/make-environment.ts';

/** The API server's certificate, for the loopback. */
const LOCAL: Entitlement = entitlement('kube-apiserver', { ...CONTROLLER, addresses: [ip('127.0.0.1')] });

export interface TestCluster {
  readonly authorities: Authorities;
  readonly credentials: () => Promise<ClusterCredentials>;
  readonly startApi: (t: Test, options?: Partial<ApiServerOptions>) => Promise<ApiServer>;
}

/** Authorities, the watcher's certificate (one for all tests of a file: making keys takes its time), API servers. */
export async function makeTestCluster(t: Test): Promise<TestCluster> {
  const authorities = await open(makeFolder(t));
  const watcher = await authorities.issue(watcherEntitlement());
  const server = await authorities.issue(LOCAL);
  const caPem = authorities.trustOf('kubernetes');
  return {
    authorities,
    credentials: async () => ({ ...watcher, caPem }),
    async startApi(t, options = {}) {
      const { certificatePem: certificate, keyPem: key } = server;
      const api = await startApiServer({ ca: caPem, certificate, key, ...options });
      t.teardown(() => api.stop());
      return api;
    },
  };
}
