import { join } from 'node:path';
import type { DaemonStatus, InterfaceStatus } from './admin/api.ts';
import type { AdminServer } from './admin/port.ts';
import { startAdminServer } from './admin/server.ts';
import { approveMachine } from './approve-machine.ts';
import type { SessionTokens } from './boot/session-token.ts';
import { assignInProfiles } from './catalog/assign-in-profiles.ts';
import type { CatalogHolder } from './catalog/catalog-holder.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import { forgetMachine, type NodeRemover } from './forget-machine.ts';
import type { LogControl } from './log-control.ts';
import type { Loggers } from './logger.ts';
import { copyToStream } from './make-backup.ts';
import { openSigningSession } from './open-signing-session.ts';
import type { Authorities } from './pki/port.ts';
import { catalogCheck, type Preflight } from './preflight.ts';
import { DATABASE_FILE } from './preflight-state.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import { checkRoleTemplates } from './render/check-templates.ts';
import type { AdmissionBook, Journal, LeaseBook, Store } from './store/port.ts';
import { listSetAside } from './store/set-aside.ts';
import { readVersion } from './version.ts';
import type { DhcpServerWatch } from './watch-dhcp-servers.ts';
import { createPowerCommands } from './wire-power.ts';

export interface AdminWiring {
  readonly config: Config;
  readonly catalog: CatalogHolder;
  readonly preflight: Pick<Preflight, 'bootFileIndex'>;
  /** As they are now: asked for each request. */
  readonly networks: () => ProvisioningNetworks;
  readonly interfaceStates: () => readonly InterfaceStatus[];
  readonly store: Store;
  readonly journal: Journal;
  readonly admissions: AdmissionBook;
  readonly leases: LeaseBook;
  /** What the API server says of Nodes; undefined: tinderbox.yaml has no `cluster:`. */
  readonly cluster: NodeRemover | undefined;
  readonly sessionTokens: SessionTokens;
  /** Undefined: tinderbox.yaml has no `cluster:`. */
  readonly authorities: Authorities | undefined;
  readonly dhcpServers: Pick<DhcpServerWatch, 'servers'>;
  readonly logControl: LogControl;
  readonly loggers: Loggers;
  readonly now: () => number;
}

export function startAdminOn(wiring: AdminWiring): Promise<AdminServer> {
  const { config, catalog, networks, store, journal, loggers, now } = wiring;
  const startedAt = now();
  return startAdminServer({
    socket: config.admin.socket,
    ...(config.admin.listen === undefined ? {} : { listen: config.admin.listen }),
    store,
    journal,
    status: () => statusOf(wiring, startedAt),
    async assign({ mac, role, hostname }) {
      await assignInProfiles({
        dir: config.paths.profiles,
        mac,
        role,
        ...(hostname === undefined ? {} : { hostname }),
        checkRole: checkRoleTemplates,
        checkCatalog: catalogCheck(config, networks().interfaces),
      });
      await catalog.reload();
      return { mac, role, ...(hostname === undefined ? {} : { hostname }), file: catalog.current().file };
    },
    async approve({ mac, ...change }) {
      const facts = journal.machine(mac);
      const approved = await approveMachine({
        ...change,
        config,
        interfaces: networks().interfaces,
        mac,
        facts,
        holderOf: (hostname) => journal.hostnameHolder(hostname),
      });
      await catalog.reload();
      return { mac, ...approved, seen: facts !== undefined, file: catalog.current().file };
    },
    forget: (mac) => forgetMachine({ ...wiring, interfaces: networks().interfaces }, mac),
    makeSigningToken: (request) => openSigningSession(wiring, request),
    power: createPowerCommands(wiring),
    async reload() {
      await catalog.reload();
      return { generation: catalog.current().generation, problems: catalog.problems() };
    },
    log: wiring.logControl,
    copyDatabase: oneAtATime(() => copyToStream(join(config.paths.state, DATABASE_FILE))),
    logger: loggers.admin,
    clock: now,
  });
}

/** Each takes the disk as much as the database is large. */
function oneAtATime(copy: () => ReturnType<typeof copyToStream>): () => ReturnType<typeof copyToStream> {
  let underWay = false;
  return async () => {
    if (underWay) {
      throw new TinderboxError('busy', 'another backup is being taken', { remedy: 'Wait until it is done.' });
    }
    underWay = true;
    try {
      const taken = await copy();
      return {
        ...taken,
        async [Symbol.asyncDispose]() {
          underWay = false;
          await taken[Symbol.asyncDispose]();
        },
      };
    } catch (error) {
      underWay = false;
      throw error;
    }
  };
}

async function statusOf(
  { config, catalog, preflight, interfaceStates, leases, store, dhcpServers }: AdminWiring,
  startedAt: number,
): Promise<DaemonStatus> {
  const { generation, file } = catalog.current();
  return {
    version: readVersion(),
    startedAt,
    mode: config.dhcp.mode,
    interfaces: interfaceStates(),
    catalog: { generation, file, problems: catalog.problems() },
    leases: leases.counts(),
    database: { setAside: listSetAside(join(config.paths.state, DATABASE_FILE)) },
    otherDhcpServers: dhcpServers.servers(),
    history: { ...(await store.measureHistory()), ...config.history },
    bootFiles: preflight.bootFileIndex
      .rows()
      .map(({ architecture, path }) => ({ architecture, file: path ?? null })),
  };
}
