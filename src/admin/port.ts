import type { Readable } from 'node:stream';
import type { Logger } from '../logger.ts';
import type { Mac } from '../machine/mac.ts';
import type { PowerAction } from '../machine/power.ts';
import type { Journal, StoreReader } from '../store/port.ts';
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
import type { PowerView } from './power-api.ts';

export interface AdminServerOptions {
  /** Absolute path of the unix socket; its folder must exist. */
  readonly socket: string;
  /** A TCP listener, loopback by default. */
  readonly listen?: { readonly host: string; readonly port: number };
  readonly store: Omit<StoreReader, 'close'>;
  readonly journal: Pick<Journal, 'flush' | 'subscribe' | 'counters'>;
  readonly status: () => DaemonStatus | Promise<DaemonStatus>;
  /** Edits machines.yaml and puts it in force. Throws TinderboxError `not-found` for an unknown role, and so on. */
  readonly assign: (request: AssignRequest) => Promise<AssignView>;
  /** Gives a machine an entry and puts it in force. Throws `refused` where it would not boot with it. */
  readonly approve: (request: ApproveRequest) => Promise<ApproveView>;
  /** Removes a machine's entry and everything that is known of it. Nothing to remove is no error. */
  readonly forget: (mac: Mac) => Promise<ForgetView>;
  /**
   * Opens a session for signing requests, beside the boot session of its machine. Throws TinderboxError `refused` if the
   * machine would not boot, gets no certificates or gets issued ones, `busy` if there is no room for it.
   */
  readonly makeSigningToken: (request: SigningTokenRequest) => Promise<SigningTokenView>;
  /**
   * Turns a machine on or off, or asks whether it is on. Throws `refused` where machines.yaml does not say how, or its
   * management controller refuses, `unavailable` where that does not answer. `pxe`: its next boot is from the network;
   * absent: for `cycle`.
   */
  readonly power: (mac: Mac, action: PowerAction, options?: { readonly pxe?: boolean }) => Promise<PowerView>;
  readonly reload: () => Promise<ReloadView>;
  /** What is logged, and how to change it. Throws TinderboxError `busy` where too much is traced already. */
  readonly log: { view(): LogView; change(change: LogChange): LogView };
  /** A consistent copy of the database as it is now. Throws `busy` while another one is taken. */
  readonly copyDatabase: () => Promise<
    { readonly size: number; readonly stream: Readable } & AsyncDisposable
  >;
  /** Milliseconds that a reader of that copy may take nothing of it; absent: a minute. */
  readonly mostStall?: number;
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
