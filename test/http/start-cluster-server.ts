import { join } from 'node:path';
import type { Test } from 'tap';
import type { BootPlan } from '../../src/boot/boot-plan.ts';
import type { Config } from '../../src/config/port.ts';
import type { HttpServerOptions, MachineCredentials } from '../../src/http/port.ts';
import { DEFAULT_CREDENTIALS } from '../../src/machine/identity.ts';
import type { Catalog, Role } from '../../src/machine/role.ts';
import { describeIdentity } from '../../src/machine-identity.ts';
import { buildContext } from '../../src/render/build-context.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import type { Store } from '../../src/store/port.ts';
import { openStore } from '../../src/store/sqlite-store.ts';
import { credentialsOf, csrUrlOf, factsOf } from '../../src/wire-credentials.ts';
import { makeFolder, open } from '../pki/support/make-cluster.ts';
import { ip } from '../support/make-environment.ts';
import { startTestServer, type TestServer, testRole } from './start-test-server.ts';

export const MAC = '52:54:00:12:34:56';

const CLUSTER: NonNullable<Config['cluster']> = {
  name: 'kubernetes',
  apiServer: 'https://10.77.0.1:6443',
  podNetwork: '10.2.0.0/16',
  serviceNetwork: '10.3.0.0/24',
  dnsServiceIP: '10.3.0.10',
  dnsDomain: 'cluster.local',
  controllers: [],
  etcd: [],
};
const CATALOG: Catalog = {
  roles: new Map(),
  machines: new Map(),
  hostnames: new Map(),
  rules: [],
  defaultRole: 'worker',
  file: 'machines.yaml',
  generation: 1,
};

/** Its configuration holds all that it is given. */
const TEMPLATE = `#cloud-config
hostname: {{machine.hostname}}
write_files:
{{#each identity.certificates}}
  - path: {{keyFile}}
    content: {{quote key}}
  - path: {{certificateFile}}
    content: {{quote certificate}}
{{/each}}
  - path: /etc/url
    content: {{quote configUrl}}
`;

export function clusterRole(more: Partial<Role> = {}): Role {
  return {
    ...testRole(),
    config: { format: 'cloud-config', template: { file: 'role.yaml', text: TEMPLATE, line: 1 } },
    identity: 'worker',
    ...more,
  };
}

export const ISSUED: Partial<Role> = { credentials: { ...DEFAULT_CREDENTIALS, delivery: 'issued' } };

export interface ClusterServer extends TestServer {
  readonly store: Store;
  /** The session's URL, as a machine gets it. */
  readonly session: () => Promise<string>;
}

export interface ClusterServerOptions {
  readonly role?: Role;
  readonly plan?: () => BootPlan;
  /** Where a store and authorities of an earlier server lie. */
  readonly folder?: string;
  readonly journal?: TestServer['journal'];
  readonly clock?: () => number;
  /** Bytes behind each configuration. */
  readonly pad?: number;
  readonly rendered?: (body: string) => void;
  readonly change?: (credentials: MachineCredentials) => MachineCredentials;
  readonly limits?: HttpServerOptions['limits'];
}

/** A provisioning plane with a cluster: real authorities, store and templates. */
export async function startClusterServer(
  t: Test,
  options: ClusterServerOptions = {},
): Promise<ClusterServer> {
  const { role = clusterRole(), folder = makeFolder(t), change = (one) => one } = options;
  const authorities = await open(folder, options.clock);
  const store = await openStore({ file: join(folder, 'tinderbox.db'), durability: 'process' });
  t.teardown(() => store.close());
  const address = ip('10.77.0.20');
  const controllers = role.identity === 'controller' ? [{ hostname: 'node-1', address }] : [];
  const config = { cluster: { ...CLUSTER, controllers } } as unknown as Config;
  const wiring = {
    config,
    catalog: { current: () => CATALOG },
    store,
    authorities,
    journal: { addressUser: () => undefined },
    leases: { holderOf: () => undefined },
  };
  const credentials = credentialsOf(wiring);
  if (credentials === undefined) throw new Error('there is a cluster');
  const server = await startTestServer(t, {
    ...(options.journal === undefined ? {} : { journal: options.journal }),
    ...(options.clock === undefined ? {} : { clock: options.clock }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
    credentials: change(credentials),
    plan:
      options.plan ??
      (() => ({ kind: 'boot', role, hostname: 'node-1', address, parameters: {}, reasons: ['by default'] })),
    buildContext({ plan, facts, server: place, sessionUrl, remote, identity }) {
      return buildContext({
        plan,
        facts,
        cluster: undefined,
        server: place,
        subnets: [],
        sessionUrl,
        identity:
          identity ??
          describeIdentity({
            ...factsOf(wiring, { mac: facts.mac, plan, remote }),
            authorities,
            csrUrl: csrUrlOf(sessionUrl),
          }),
      });
    },
    grub: {
      bootstrap: () => '',
      machineScript: ({ context }) => context.configUrl,
      waitScript: ({ message }) => message,
      refusalScript: ({ message }) => message,
    },
    renderer: {
      bootstrapScript: () => '',
      machineScript: ({ context }) => `#!ipxe\n${context.configUrl}\n${JSON.stringify(context.identity)}\n`,
      waitScript: ({ message }) => message,
      refusalScript: ({ message }) => message,
      renderConfig(one, context, file) {
        const { body, contentType } = renderConfig(one, context, file);
        options.rendered?.(body);
        return { body: file === undefined ? `${body}#${'x'.repeat(options.pad ?? 0)}\n` : body, contentType };
      },
    },
  });
  return {
    ...server,
    store,
    async session() {
      const text = await (await fetch(`${server.url}/ipxe?mac=${MAC}`)).text();
      return /(http:\S+\/boot\/[\w-]+)\//.exec(text)?.[1] ?? `no URL in ${text}`;
    },
  };
}
