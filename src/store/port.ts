import type { AdmissionPlaces } from '../boot/admit-machine.ts';
import type { Assignment } from '../boot/boot-session.ts';
import type { Stall } from '../machine/diagnosis.ts';
import type { BootEvent, EventKind, LazyText, Outcome } from '../machine/event.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { FleetState } from '../machine/fleet-state.ts';
import type { Hardware } from '../machine/hardware.ts';
import type { CertificateName } from '../machine/identity.ts';
import type { Ipv4, Ipv4Range } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type { OnceUse, OnceUses } from '../machine/once.ts';
import type { Catalog } from '../machine/role.ts';
import type { BootSession, SessionEnd } from '../machine/session.ts';
import type { Stage } from '../machine/stage.ts';

/** A lease as it is on disk. `offered` addresses are held in memory only and never get here. */
export interface Lease {
  readonly address: Ipv4;
  /** The hardware address that holds it; for `declined`, the one that said it was taken. */
  readonly mac: Mac;
  readonly state: 'bound' | 'released' | 'declined';
  /** Milliseconds since the epoch: when a bound lease ends, or a declined address may be tried again. */
  readonly expiresAt: number;
  /** Interface that it was given on. */
  readonly via: string;
  readonly hostname?: string;
}

/** A machine that was seen, with what is known of it. */
export interface MachineRecord extends MachineFacts {
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly via?: string;
  readonly hostname?: string;
  /** As it last told. */
  readonly hardware?: Hardware;
}

/** As it is written down. */
export interface StoredMachine extends MachineRecord {
  /** It has an entry in machines.yaml, or a signing token, so that it is pruned last. Never read back. */
  readonly listed?: boolean;
}

/** A machine without an entry that a rule with `max` has admitted. */
export interface AdmissionRecord {
  readonly mac: Mac;
  /** `ruleKey` of the rule. */
  readonly rule: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/** One atomic write of history. Machines and sessions are whole and replace what was there. */
export interface HistoryBatch {
  readonly machines: readonly StoredMachine[];
  readonly sessions: readonly BootSession[];
  readonly events: readonly BootEvent[];
}

/** How much of the past the database holds. */
export interface HistorySize {
  /** Of the file, without what waits in its WAL (up to 16 MiB). */
  readonly bytes: number;
  /** Of these, what is not free for what comes. */
  readonly used: number;
  readonly events: number;
  readonly sessions: number;
  readonly machines: number;
  /** Milliseconds since the epoch. */
  readonly oldestEvent?: number;
}

export interface MachineOverview {
  readonly machine: MachineRecord;
  /** The newest boot session; of a machine that has none, the newest of its signing tokens. */
  readonly session?: BootSession;
}

/** Who asks the admin plane for something. */
export interface Actor {
  /** A user's name on the unix socket, `token` for its holder. */
  readonly name: string;
  readonly via: 'socket' | 'token' | 'page' | 'daemon';
  /** Of the client, where it came by TCP. */
  readonly address?: string;
}

/** One change that somebody asked for, done or not. */
export interface AuditRecord {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly actor: Actor;
  /** `assign`, `approve`, `forget`, `reload`, `power-cycle`, … */
  readonly action: string;
  /** A MAC or a name. */
  readonly target?: string;
  readonly outcome: 'done' | 'refused' | 'failed';
  /** What was changed to what, or why it was not; never a secret. */
  readonly detail: string;
}

export interface Page {
  readonly limit: number;
  readonly offset: number;
}

export const MACHINE_SORTS = ['seen', 'mac', 'hostname', 'role', 'state', 'stage', 'address'] as const;
export type MachineSort = (typeof MACHINE_SORTS)[number];

/** Which machines, and in which order. */
export interface MachineQuery extends Page {
  readonly state?: FleetState;
  /** That its newest boot had. */
  readonly role?: string;
  /**
   * Words of which each is somewhere in MAC, hostname, role, serial, asset, UUID, manufacturer, product or address; at
   * most eight of 64 characters.
   */
  readonly search?: string;
  /** Absent: as last seen, the newest first. */
  readonly sort?: MachineSort;
  readonly reverse?: boolean;
}

/** Of the whole fleet, but for `matching`. */
export interface FleetSummary {
  readonly machines: number;
  /** How many the query is about. */
  readonly matching: number;
  readonly states: Readonly<Record<FleetState, number>>;
  /** That newest boots had, by name. */
  readonly roles: readonly { readonly name: string; readonly machines: number }[];
}

/** A configuration with secrets, as it was released to its session. */
export interface Release {
  /** Milliseconds since the epoch; stays that of the first time. */
  readonly begunAt: number;
  readonly address: Ipv4;
  /** When its last byte was sent. */
  readonly completedAt?: number;
}

/** What is remembered of a certificate that a session was given. Fingerprint, serial: hexadecimal. */
export interface GivenCertificate {
  readonly name: CertificateName;
  readonly keyFingerprint: string;
  readonly serial: string;
  readonly subject: string;
  readonly givenAt: number;
  readonly notAfter: number;
  /** Who asked for it first; absent: a client without an IPv4 address. */
  readonly address?: Ipv4;
}

/** Whose secret it is. Both are written with it, so that it is never on disk without them. */
export interface SessionOwner {
  readonly machine: StoredMachine;
  readonly session: BootSession;
}

/**
 * Which secrets a session got, so that it gets none twice, also after a restart. Writing resolves when it is on disk
 * (fsync), whatever the durability of leases; it is gone with its session. A call that rejects has changed nothing.
 */
export interface ReleaseBook {
  releaseOf(sessionId: number): Promise<Release | undefined>;
  /** False, and nothing is changed, if it was completed, or begun by another address. */
  beginRelease(owner: SessionOwner, release: Omit<Release, 'completedAt'>): Promise<boolean>;
  completeRelease(sessionId: number, at: number): Promise<void>;
  certificateOf(sessionId: number, name: CertificateName): Promise<GivenCertificate | undefined>;
  /** Replaces the one of this name if it has the same key, but for its address; else false, and nothing is changed. */
  giveCertificate(owner: SessionOwner, certificate: GivenCertificate): Promise<boolean>;
}

/** What must be known in memory before the first packet is answered. */
export interface StoredState {
  readonly leases: readonly Lease[];
  readonly machines: readonly MachineRecord[];
  /**
   * Sessions without an end, and the newest of a machine if it ended `ready`: its Node may take it back. Of signing
   * tokens those that no newer one replaced.
   */
  readonly openSessions: readonly BootSession[];
  readonly nextSessionId: number;
  readonly admissions: readonly AdmissionRecord[];
  readonly onceUses: readonly OnceUse[];
}

/**
 * Everything that is remembered. Asynchronous although SQLite is not, so that a shared store can take its place;
 * the SQLite adapter lives in a worker thread, so that an fsync never holds up a packet.
 */
export interface Store extends ReleaseBook {
  load(): Promise<StoredState>;
  /** Resolves when the leases are on disk (fsync). Calls made while one commit runs share the next one. */
  commitLeases(leases: readonly Lease[]): Promise<void>;
  /** Resolves when written; not synced one by one. */
  appendHistory(batch: HistoryBatch): Promise<void>;
  /**
   * Removes a machine with its sessions and events; its leases stay. After all history that was appended before. False
   * if it was not there.
   */
  forgetMachine(mac: Mac): Promise<boolean>;
  /** Resolves when it is on disk (fsync); replaces what this machine had. */
  putAdmission(admission: AdmissionRecord): Promise<void>;
  /** In the order of the calls of this and of putAdmission. Nothing happens if there is none. */
  dropAdmission(mac: Mac): Promise<void>;
  listAdmissions(): Promise<readonly AdmissionRecord[]>;
  /** As putAdmission, but on disk whatever the durability of leases. */
  putOnceUse(use: OnceUse): Promise<void>;
  /** In the order of the calls of this and of putOnceUse. Nothing happens if there is none. */
  dropOnceUse(mac: Mac): Promise<void>;
  /** As putOnceUse of all, at once; from then on `opening` says no more that uses are unknown. */
  holdOnceUses(uses: readonly OnceUse[]): Promise<void>;
  /** By MAC. */
  listOnceUses(): Promise<readonly OnceUse[]>;
  /** Resolves when written; not synced one by one. Texts are cut to some hundred characters. */
  appendAudit(records: readonly AuditRecord[]): Promise<void>;
  /** Newest first. */
  listAudit(page: Page): Promise<readonly AuditRecord[]>;
  listMachines(query: MachineQuery): Promise<readonly MachineOverview[]>;
  summarizeMachines(query: Pick<MachineQuery, 'state' | 'role' | 'search'>): Promise<FleetSummary>;
  /** Undefined for a machine never seen. */
  findMachine(mac: Mac): Promise<MachineOverview | undefined>;
  /** Newest first. */
  listSessions(mac: Mac, page: Page): Promise<readonly BootSession[]>;
  /** Oldest first; without a session the machine's newest events. */
  listEvents(query: {
    readonly mac: Mac;
    readonly sessionId?: number;
    readonly limit: number;
  }): Promise<readonly BootEvent[]>;
  /**
   * Deletes a little of what is too old or too much at `now` (milliseconds since the epoch), behind everything else that
   * waits. True: there is more to do.
   */
  tidyHistory(now: number): Promise<boolean>;
  measureHistory(): Promise<HistorySize>;
  close(): Promise<void>;
}

/** What can be asked of the database without a daemon. */
export type StoreReader = Pick<
  Store,
  | 'listMachines'
  | 'summarizeMachines'
  | 'findMachine'
  | 'listSessions'
  | 'listEvents'
  | 'listAdmissions'
  | 'listOnceUses'
  | 'listAudit'
  | 'close'
>;

/** Who has an address now, and until when (milliseconds since the epoch). A free address has no holder. */
export interface AddressHolder {
  readonly mac: Mac;
  readonly state: 'bound' | 'offered' | 'declined';
  readonly until: number;
}

/**
 * The addresses given out, in memory over the store: what the DHCP server asks at each packet. A machine has at
 * most one bound lease a network: binding another address there gives the former one back.
 */
export interface LeaseBook {
  /**
   * The machine's lease (of a wanted address, if it is said which are), bound rather than released, then the newest.
   * It may have run out: `expiresAt` says; its address is then still the one to try first.
   */
  leaseOf(mac: Mac, isWanted?: (address: Ipv4) => boolean): Lease | undefined;
  /** What this machine was offered (of wanted addresses, if it is said which are) and may still ask for. */
  offerOf(
    mac: Mac,
    isWanted?: (address: Ipv4) => boolean,
  ): { readonly address: Ipv4; readonly until: number } | undefined;
  /** A bound lease, an offer or a declined address that is not over yet. */
  holderOf(address: Ipv4): AddressHolder | undefined;
  /** Whether there ever was a lease of it. */
  isKnown(address: Ipv4): boolean;
  /** Memory only; replaces what this machine was offered in the network before. Throws `in-use` if another machine holds it. */
  offer(address: Ipv4, mac: Mac, until: number): void;
  /**
   * Resolves when the lease is on disk. Rejects with `in-use` if another machine holds the address, or has it being
   * written, or if too many requests of this machine wait; with the store's error if it cannot be written, and then
   * everything is as before.
   */
  bind(lease: Lease): Promise<void>;
  /** Nothing happens if the address is not this machine's. */
  release(mac: Mac, address: Ipv4): Promise<void>;
  /** The address rests until `until`. Nothing happens if it is not this machine's. */
  decline(address: Ipv4, mac: Mac, until: number): Promise<void>;
  /**
   * An address that nobody holds: `preferred` if it lies in the ranges and is free, else one never used, else the
   * one that has been free the longest. Undefined: the pool is exhausted.
   */
  freeAddress(
    ranges: readonly Ipv4Range[],
    excluded: (address: Ipv4) => boolean,
    now: number,
    preferred?: Ipv4,
  ): Ipv4 | undefined;
  /** Addresses that are bound, offered or declined, in no order. */
  held(): Iterable<Ipv4>;
  counts(): { readonly bound: number; readonly offered: number; readonly declined: number };
}

/** Whom rules with `max` have admitted, in memory over the store. */
export interface AdmissionBook extends AdmissionPlaces {
  /**
   * Gives the machine a place of this rule, if it has none there: at once in memory, so that who asks next sees it.
   * Resolves when it is on disk. Rejects with the store's error: then it is as before.
   */
  take(mac: Mac, rule: string): Promise<void>;
  /** Gives its place back. False if it had none. Rejects with the store's error: then it is gone from memory only. */
  giveBack(mac: Mac): Promise<boolean>;
}

/**
 * What became of each `once:` of machines.yaml, in memory over the store. What it changes holds at once; `written` says
 * when it is on disk.
 */
export interface OnceBook extends OnceUses {
  /** A machine asks for a script: if it was reset since the last one, that boot is not under way any more. */
  arrives(mac: Mac, at: number): void;
  /** The session got the script of this role, by its `once:`. One that has ended with it has succeeded. */
  tries(role: string, session: BootSession): void;
  /** The machine says so of this session. True if that used its `once:` up now. */
  succeeds(session: BootSession): boolean;
  /** A session ended. */
  ended(session: BootSession): void;
  /** Resolves when what is known of this machine is on disk; tries again what could not be written. Rejects with the store's error. */
  written(mac: Mac): Promise<void>;
  /** Its `once:` starts over. False if it was never booted. Rejects as `written`. */
  renew(mac: Mac): Promise<boolean>;
  /** Another catalog is in force: what is gone from it and comes back is new. */
  follow(catalog: Pick<Catalog, 'machines'>): void;
  /** Has the machines wait whose `once:` is not known to be used up. Says which. Rejects as `written`. */
  hold(catalog: Pick<Catalog, 'machines'>): Promise<readonly Mac[]>;
}

/** What an edge observed of a machine, before it is laid to a session. */
export interface Observation {
  readonly at: number;
  readonly kind: EventKind;
  readonly outcome: Outcome;
  /** Made within the call of `record`, if at all. */
  readonly asked: LazyText;
  readonly answered: LazyText;
  readonly reasons: readonly string[];
  readonly via?: string;
  /** What was sent of a file. */
  readonly bytes?: number;
  /** New knowledge about the machine. Its MAC says whose it is. */
  readonly facts?: MachineFacts;
  readonly mac?: Mac;
  /** The stage that this proves. */
  readonly stage?: Stage;
  /** Who network-boots: only these may open a session (design: "A boot session, exactly"). */
  readonly client?: 'rom' | 'ipxe' | 'script';
  /** Set by `/ipxe` when it has decided. */
  readonly assigned?: Assignment;
  /** Set by `/ipxe`: it was told to wait for approval. */
  readonly waits?: boolean;
  /** It was told to wait for its turn in the boot queue. */
  readonly queued?: boolean;
  /** The kernel's boot ID, of a Node that is ready. */
  readonly bootId?: string;
  /** The machine says that its boot failed. */
  readonly failed?: boolean;
  /** Its session overran the time of its stage. */
  readonly stalled?: Stall;
  /** Of syslog: a warning or worse, for which some of the bound on lines is kept. */
  readonly urgent?: boolean;
  /** What the machine tells of itself. */
  readonly hardware?: Hardware;
  /**
   * Opens a session beside the machine's boot session, whose signing requests are answered until then (milliseconds
   * since the epoch).
   */
  readonly signingUntil?: number;
  /**
   * The session at whose URL it was asked. If that is not the machine's newest one any more, it is recorded, but takes
   * no session anywhere.
   */
  readonly sessionId?: number;
  /**
   * Who got a secret for the first time, or that another one asked for it: recorded although other events have used up
   * the bounds, within bounds of its own.
   */
  readonly evidence?: 'alarm' | 'giving';
  /** Set by what ends a session. */
  readonly end?: SessionEnd;
}

/** A machine that is, or is to become, a Node of the cluster. */
export interface JoiningMachine {
  readonly facts: MachineFacts;
  /** Open, or ended `ready`; its last stage is `ready`. */
  readonly session: BootSession;
}

/**
 * The live view of sessions and machines over the store: what servers, http and admin use. Synchronous in memory;
 * written behind in batches; bounded (events a session, events of strangers, machines, and in all), counting what
 * it no longer records.
 */
export interface Journal {
  /** Never throws. Returns the machine's session after the observation, if it has one. */
  record(observation: Observation): BootSession | undefined;
  /** The open boot session of a machine, or the newest ended one while it is remembered; never that of a token. */
  sessionOf(mac: Mac): BootSession | undefined;
  sessionById(id: number): BootSession | undefined;
  machine(mac: Mac): MachineRecord | undefined;
  /**
   * What is written of a machine with the secrets that it is given. One that was not recorded, as one of too many new
   * ones, is from now on, if there is room for one more that got its script; `full` if there is none now.
   */
  keepRecord(mac: Mac): StoredMachine | 'full' | undefined;
  /** Which machine last used this address: from leases, requests overheard, `/ipxe`. */
  macAt(address: Ipv4): Mac | undefined;
  /**
   * The machine whose newest boot asked for its script from this address, as long as it is under way or its Node is
   * Ready. Of several the first: who takes an address later does not take it away.
   */
  addressUser(address: Ipv4): Mac | undefined;
  /**
   * The machine that boots, or last booted, under this hostname (set by an observation's `assigned`): asked at every
   * `/ipxe`, so a lookup and not a search. Several that had it: the newest.
   */
  hostnameHolder(hostname: string): Mac | undefined;
  /** Those in memory whose newest session waits for a Node or was made ready by one: as many as memory holds machines. */
  joiningMachines(): Iterable<JoiningMachine>;
  /** Remembers which machine uses an address. */
  learnAddress(address: Ipv4, mac: Mac): void;
  /** Adds one, or as many, to a counter: the events that bounds forbid to record, packets of each kind. */
  count(name: string, times?: number): void;
  counters(): ReadonlyMap<string, number>;
  /**
   * Removes a machine, its sessions, events, hostname and addresses, from memory and the store; its leases stay. If it
   * comes again, it is new. False if it was never seen. Rejects with the store's error: then it is gone from memory
   * only, and the call may be repeated.
   */
  forget(mac: Mac): Promise<boolean>;
  /** Called with each event recorded, until the returned function is called. */
  subscribe(listener: (event: BootEvent) => void): () => void;
  /** Resolves when everything recorded so far is in the store. */
  flush(): Promise<void>;
  /**
   * As `flush`, for what is answered to machines: they must not wait for a store that is slow or refuses, so it resolves
   * also then, after at most half a second. With a machine: at once, if all is there that matters of it.
   */
  written(mac?: Mac): Promise<void>;
}
