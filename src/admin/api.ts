import type { FieldProblem, Problem } from '../errors.ts';
import type { LoggerName, LogLevel } from '../logger.ts';
import type { BootEvent } from '../machine/event.ts';
import { formatIpv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type { OnceUse } from '../machine/once.ts';
import type { BootSession } from '../machine/session.ts';
import type { Actor, AdmissionRecord, HistorySize, MachineOverview, MachineRecord } from '../store/port.ts';
import type { OnceView } from './explain-api.ts';

/**
 * What the admin plane says in JSON, version 1: as the journal has it, but addresses are dotted quads. Server, client
 * and CLI share these types. Times are milliseconds since the epoch.
 */
export interface MachineView extends Omit<MachineRecord, 'address' | 'relay'> {
  readonly address?: string;
  readonly relay?: string;
}

export interface SessionView extends Omit<BootSession, 'address'> {
  readonly address?: string;
}

export interface MachineListView {
  readonly machines: readonly {
    readonly machine: MachineView;
    readonly session?: SessionView;
    /** Its turn in the boot queue, from 1; absent: it does not wait, or no daemon runs. */
    readonly turn?: number;
  }[];
}

export interface MachineDetailView {
  readonly machine: MachineView;
  /** Newest first. */
  readonly sessions: readonly SessionView[];
  /** Of its entry; not known where no daemon runs. */
  readonly once?: OnceView;
  readonly turn?: number;
}

export interface EventListView {
  /** Oldest first. */
  readonly events: readonly BootEvent[];
}

/** A provisioning interface of the configuration. */
export interface InterfaceStatus {
  readonly name: string;
  /** Empty where it is not there, or has none. */
  readonly addresses: readonly string[];
  /** `serving`: all that is configured; `partly`: some of it; `waiting`: nothing, until what `reason` says is mended. */
  readonly state: 'serving' | 'partly' | 'waiting';
  readonly reason?: string;
  /** When it came into this state. */
  readonly since: number;
}

/** What the daemon says of itself; put together by the composition root. */
export interface DaemonStatus {
  readonly version: string;
  readonly startedAt: number;
  /** Its process. Absent: a daemon of an older version. */
  readonly pid?: number;
  readonly mode: 'proxy' | 'server' | 'off';
  readonly interfaces: readonly InterfaceStatus[];
  readonly catalog: {
    readonly generation: number;
    readonly file: string;
    /** Why the files on disk are not in force; empty when they are. */
    readonly problems: readonly Problem[];
  };
  readonly leases: {
    readonly bound: number;
    readonly offered: number;
    readonly declined: number;
    /** Addresses that there are to give; absent: none are given here. */
    readonly pool?: number;
  };
  /** Damaged databases that were set aside: history began anew after each. */
  readonly database: { readonly setAside: readonly string[] };
  /** On the provisioning interfaces, as far as they answered a probe or a machine was overheard to ask them. */
  readonly otherDhcpServers: readonly {
    readonly interface: string;
    readonly address: string;
    readonly mac?: string;
    /** What it would give to a machine that it does not know. */
    readonly offered?: string;
    readonly router?: string;
    /** What it names to firmware that boots from the network. */
    readonly bootfile?: string;
    readonly firstSeen: number;
    readonly lastSeen: number;
  }[];
  /** `assets.mirrors`, as they did when they were last asked. Absent: a daemon of an older version. */
  readonly mirrors?: readonly {
    readonly url: string;
    /** `relay 10.78.0.1`, `subnet 10.79.0.0/24`. */
    readonly place: string;
    /** `unknown`: not asked yet, and used. */
    readonly state: 'up' | 'down' | 'unknown';
    readonly since: number;
    readonly reason?: string;
    /** Files that it has not as they are here: sentences. */
    readonly lacks: readonly string[];
  }[];
  /** `assets.pullThrough`; requests since the start. */
  readonly pullThrough?: {
    readonly from: string;
    readonly files: number;
    readonly bytes: number;
    readonly maxBytes: number;
    /** Under way. */
    readonly fetching: number;
    /** Served from what was here; from a fetch of another; with a fetch of their own. */
    readonly held: number;
    readonly joined: number;
    readonly fetched: number;
    /** Served although it could not be asked whether there is a newer one. */
    readonly unchecked: number;
    readonly refused: number;
    readonly fetchedBytes: number;
    readonly upstream: 'up' | 'down' | 'unknown';
    readonly since: number;
    readonly reason?: string;
  };
  /** The database, and its bounds: `history` in tinderbox.yaml. Bytes, seconds. */
  readonly history: HistorySize & { readonly maxSize: number; readonly keep: number };
  /** Until when the cluster's authorities are valid; absent: tinderbox.yaml has no `cluster:`. */
  readonly certificates?: readonly { readonly name: string; readonly notAfter: number }[];
  /** Which file a firmware architecture gets; null: none was found. */
  readonly bootFiles: readonly { readonly architecture: string; readonly file: string | null }[];
}

export interface StatusView extends DaemonStatus {
  /** Seconds. */
  readonly uptime: number;
  readonly counters: Readonly<Record<string, number>>;
}

export interface AssignRequest {
  readonly mac: Mac;
  /** Absent: it stays, and with `once: false` no more is asked. */
  readonly role?: string;
  /**
   * true: `role` is booted once, and its own role stays; also if that was used up before. false: it is booted once no
   * more. Absent: the `once:` stays as it is.
   */
  readonly once?: boolean;
  readonly hostname?: string;
  /** A reservation, as a dotted quad. */
  readonly address?: string;
  /** Of the entry that it changes, as AssignmentView has it: `conflict` if it is another one by now. */
  readonly revision?: string;
}

export interface AssignView {
  readonly mac: Mac;
  /** The role that its entry had; absent if it had none, or there was no entry. */
  readonly before?: string;
  /** Absent: the rules and the default decide. */
  readonly role?: string;
  /** What its entry has booted once. */
  readonly once?: string;
  readonly hostname?: string;
  /** False: its entry said just this already. */
  readonly changed: boolean;
  /** The file that was edited. */
  readonly file: string;
}

export interface ApproveRequest {
  readonly mac: Mac;
  /** Absent: the rules and the default decide. */
  readonly role?: string;
  readonly hostname?: string;
  readonly address?: string;
  /** As in AssignRequest. */
  readonly revision?: string;
}

export interface ApproveView {
  readonly mac: Mac;
  /** What it will boot, and under which name. */
  readonly role: string;
  readonly hostname: string;
  /** As in AssignView. */
  readonly before?: string;
  /** False: it had just this entry already. */
  readonly changed: boolean;
  /** False: it never asked here, so what a rule would say of it is not known. */
  readonly seen: boolean;
  /** The file that was edited. */
  readonly file: string;
}

export interface ForgetView {
  readonly mac: Mac;
  /** Its entry was removed from machines.yaml. */
  readonly entry: boolean;
  /** It gave back the place that a rule with `max` had given it. */
  readonly place: boolean;
  /** `kept`: no daemon runs that could forget it. */
  readonly history: 'forgotten' | 'none' | 'kept';
  /** Nodes of the cluster that it was. */
  readonly nodes: readonly NodeRemoval[];
}

export interface NodeRemoval {
  readonly name: string;
  /** `left`: it may be there still, and `command` removes it. */
  readonly state: 'deleted' | 'absent' | 'left';
  readonly command?: string;
  /** Why it could not be deleted. */
  readonly problem?: string;
}

/** Whom rules with `max` have admitted. */
export interface AdmissionListView {
  readonly admissions: readonly AdmissionRecord[];
  /** What became of each `once:` that was booted. */
  readonly onceUses: readonly OnceUse[];
}

export interface SigningTokenRequest {
  readonly mac: Mac;
  /** How long signing requests are answered: 1 to 30. */
  readonly days: number;
}

export interface SigningTokenView {
  /** `http://10.77.0.1/boot/<token>`: a secret, for the machine only. Signing requests go to `<url>/csr?name=…`. */
  readonly url: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** What is logged. Times are milliseconds since the epoch. */
export interface LogView {
  /** What it started with, and goes back to. */
  readonly level: string;
  readonly parts: readonly {
    readonly part: LoggerName;
    readonly level: string;
    /** Absent: as it started. */
    readonly until?: number;
  }[];
  readonly traces: readonly { readonly mac: Mac; readonly until: number }[];
}

/** Reset first, then the rest. */
export interface LogChange {
  readonly reset?: true;
  readonly level?: LogLevel;
  /** Absent: of all parts. */
  readonly part?: LoggerName;
  /** Every packet and request of this machine. */
  readonly trace?: Mac;
  /** Until it ends by itself. */
  readonly seconds: number;
}

export interface VisitorView {
  readonly actor: Actor;
  /** For a cookie: the header `x-csrf-token` of what changes something, or the field `_csrf` of a form. */
  readonly csrfToken?: string;
}

/** What opens the admin plane over TCP: secrets. */
export interface TokenView {
  readonly token: string;
  /** Opens `/metrics` alone. */
  readonly metricsToken: string;
}

export interface ReloadView {
  readonly generation: number;
  readonly problems: readonly Problem[];
}

/** RFC 9457. `type` is `urn:tinderbox:problem:<code>`, one of the codes in errors.ts. */
export interface ProblemDocument {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly remedy?: string;
  readonly problems?: readonly Problem[];
  /** Which fields of the request are wrong. */
  readonly errors?: readonly FieldProblem[];
}

export const PROBLEM_TYPE = 'urn:tinderbox:problem:';

export function machineView({ address, relay, ...machine }: MachineRecord): MachineView {
  return {
    ...machine,
    ...(address === undefined ? {} : { address: formatIpv4(address) }),
    ...(relay === undefined ? {} : { relay: formatIpv4(relay) }),
  };
}

export function sessionView({ address, ...session }: BootSession): SessionView {
  return { ...session, ...(address === undefined ? {} : { address: formatIpv4(address) }) };
}

export function overviewView(
  { machine, session }: MachineOverview,
  turn?: number,
): MachineListView['machines'][number] {
  return {
    ...(turn === undefined ? {} : { turn }),
    machine: machineView(machine),
    ...(session === undefined ? {} : { session: sessionView(session) }),
  };
}
