import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import type { Logger } from '../logger.ts';
import type { FirmwareArchitecture } from '../machine/architecture.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { Mac } from '../machine/mac.ts';
import type { PowerAction, PowerKind } from '../machine/power.ts';
import type { AuditRecord, Journal, Page, StoreReader } from '../store/port.ts';
import type {
  ApproveRequest,
  ApproveView,
  AssignRequest,
  AssignView,
  DaemonStatus,
  ForgetView,
  LogChange,
  LogView,
  ReloadView,
  SigningTokenRequest,
  SigningTokenView,
} from './api.ts';
import type { AuditListView } from './audit-api.ts';
import type { ConsoleView } from './console-api.ts';
import type { DoctorReport } from './doctor-api.ts';
import type { AssignedView, ExplainView, PreviewView, RoleDetailView, RoleListView } from './explain-api.ts';
import type { PowerView } from './power-api.ts';
import type { QueueView } from './queue-api.ts';

/** What opens the admin plane over TCP. Comparing takes as long whatever is compared. */
export interface AdminToken {
  show(): string;
  /** Another one, which opens `/metrics` alone. */
  showForMetrics(): string;
  matches(candidate: string): boolean;
  matchesForMetrics(candidate: string): boolean;
  /** Makes another, and resolves when that is on disk. */
  renew(): Promise<string>;
}

/** Who may come in, beside the users of the unix socket. */
export interface AdminAccess {
  readonly token: AdminToken;
  /** DNS names that this server is known by, beside those of loopback. */
  readonly names: readonly string[];
  /** The user at the other end of a connection to the unix socket; undefined: not known. */
  readonly userOf: (socket: Socket) => Promise<string | undefined>;
}

/** What the TCP listener shows of itself. */
export interface AdminTls {
  /** PEM, as it is right now: asked at the start and each minute from then on. The key is a secret. */
  pair(): Promise<{ readonly certificate: string; readonly key: string }>;
}

export interface AdminServerOptions {
  /** Absolute path of the unix socket; its folder must exist. */
  readonly socket: string;
  /** A TCP listener, loopback by default. */
  readonly listen?: { readonly host: string; readonly port: number };
  /** Absent: it speaks plain HTTP, which is for loopback alone. */
  readonly tls?: AdminTls;
  /** Absent: TCP tells nothing but that somebody is home. */
  readonly access?: AdminAccess;
  /** Milliseconds that never jump; absent: this process's. */
  readonly uptime?: () => number;
  readonly store: Omit<StoreReader, 'close'>;
  readonly journal: Pick<Journal, 'flush' | 'subscribe' | 'counters'>;
  readonly status: () => DaemonStatus | Promise<DaemonStatus>;
  /** Edits machines.yaml and puts it in force. Throws TinderboxError `not-found` for an unknown role, and so on. */
  readonly assign: (request: AssignRequest) => Promise<AssignView>;
  /** Gives a machine an entry and puts it in force. Throws `refused` where it would not boot with it. */
  readonly approve: (request: ApproveRequest) => Promise<ApproveView>;
  /** Also of a machine that was never seen; `architecture`: as if its firmware were this. */
  readonly explain: (mac: Mac, architecture?: FirmwareArchitecture) => Promise<ExplainView>;
  /** What each boots next: of a page of a list, so that it is to be quick. */
  readonly assigned: (machines: readonly MachineFacts[]) => Promise<ReadonlyMap<Mac, AssignedView>>;
  /** What it printed, by syslog: the lines after that number; absent: all that are remembered. */
  readonly console: (mac: Mac, after?: number) => ConsoleView;
  /** Who waits for its turn to load. `first` throws `not-found` for a machine that does not wait. */
  readonly queue: {
    list(): QueueView;
    first(mac: Mac): Promise<QueueView>;
    /** From 1; undefined: it does not wait. */
    positionOf(mac: Mac): number | undefined;
  };
  /** Looks at everything, with the rights of the daemon. Throws `busy` while it does. */
  readonly doctor: () => Promise<DoctorReport>;
  /** Removes a machine's entry and everything that is known of it. Nothing to remove is no error. */
  readonly forget: (mac: Mac) => Promise<ForgetView>;
  /**
   * Opens a session for signing requests, beside the boot session of its machine. Throws TinderboxError `refused` if the
   * machine would not boot, gets no certificates or gets issued ones, `busy` if there is no room for it.
   */
  readonly makeSigningToken: (request: SigningTokenRequest) => Promise<SigningTokenView>;
  /** How machines.yaml says that the machine is turned on and off; undefined: by hand. */
  readonly powerKind: (mac: Mac) => PowerKind | undefined;
  /**
   * Turns a machine on or off, or asks whether it is on. Throws `refused` where machines.yaml does not say how, or its
   * management controller refuses, `unavailable` where that does not answer. `pxe`: its next boot is from the network;
   * absent: for `cycle`.
   */
  readonly power: (mac: Mac, action: PowerAction, options?: { readonly pxe?: boolean }) => Promise<PowerView>;
  /**
   * The last packets of a machine as a pcap file, of a time if it is said which (milliseconds since the epoch).
   * Undefined: none is kept.
   */
  readonly capture: (
    mac: Mac,
    window?: { readonly from: number; readonly to?: number },
  ) => Uint8Array | undefined;
  /** Every metric in the text format of Prometheus. */
  readonly metrics: () => Promise<string>;
  readonly reload: () => Promise<ReloadView>;
  /**
   * The roles, with what is wrong with their files, and what a machine would be served now or with another role. Throws
   * TinderboxError `not-found` for a role that is not there, `refused` where a machine would get nothing,
   * `invalid-template` where its role does not render.
   */
  readonly roles: {
    list(): Promise<RoleListView>;
    show(name: string): Promise<RoleDetailView>;
    preview(mac: Mac, role?: string): Promise<PreviewView>;
  };
  /** What is logged, and how to change it. Throws TinderboxError `busy` where too much is traced already. */
  readonly log: { view(): LogView; change(change: LogChange): LogView };
  /** A consistent copy of the database as it is now. Throws `busy` while another one is taken. */
  readonly copyDatabase: () => Promise<
    { readonly size: number; readonly stream: Readable } & AsyncDisposable
  >;
  /** Milliseconds that a reader of that copy may take nothing of it; absent: a minute. */
  readonly mostStall?: number;
  /** Who changed what. `record` never throws, and never waits. */
  readonly audit: {
    readonly record: (record: AuditRecord) => void;
    readonly list: (page: Page) => Promise<AuditListView>;
  };
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
}

export interface AdminServer {
  readonly socket: string;
  /** Of the TCP listener. */
  readonly address?: { readonly host: string; readonly port: number };
  /** Ends event streams at once, lets answers under way finish for `graceMs`, then drops what is left. */
  stop(options: { readonly graceMs: number }): Promise<void>;
}
