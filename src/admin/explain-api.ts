import type { Problem } from '../errors.ts';
import type { Diagnosis } from '../machine/diagnosis.ts';
import type { BootEvent } from '../machine/event.ts';
import type { MachineView, SessionView } from './api.ts';

/** How it stands with the `once:` of an entry. */
export interface OnceView {
  readonly role: string;
  /** next: its next boot; underWay: it boots so now; used: it succeeded; spent: it waits, since it did not, or nobody knows. */
  readonly state: 'next' | 'underWay' | 'used' | 'spent';
  /** Boots that were begun. */
  readonly tries: number;
  /** Milliseconds since the epoch, of `used`. */
  readonly usedAt?: number;
  /** Whether it succeeded is not known. */
  readonly isUnknown?: true;
  /** What the machine is without it; absent: nothing. */
  readonly standing?: string;
}

/** Where a machine's role comes from. */
export interface AssignmentView {
  readonly from: 'once' | 'entry' | 'rule' | 'default' | 'none';
  readonly role?: string;
  /** The role that its entry has. */
  readonly own?: string;
  readonly once?: OnceView;
  readonly hostname?: string;
  /** A reservation. */
  readonly address?: string;
  /** machines.yaml, and the line of the entry or rule. */
  readonly file: string;
  readonly line?: number;
  readonly reasons: readonly string[];
  /** Of the machine's entry as it is now, or of its absence: who edits it says which one was read. */
  readonly revision: string;
}

/** What a machine of a list boots next. */
export interface AssignedView {
  /** Absent: none, or it would not boot with it. */
  readonly role?: string;
  readonly once?: OnceView;
  /** As in AssignmentView. */
  readonly revision: string;
}

/** What would be served now. Certificates and keys are samples, and secrets are masked. */
export interface PreviewView {
  readonly role: string;
  readonly hostname: string;
  readonly reasons: readonly string[];
  readonly script: string;
  /** Absent for a role without a configuration. */
  readonly config?: string;
  /** What is given beside it, by its path below the session's URL (`nocloud/meta-data`); absent: nothing. */
  readonly files?: readonly { readonly path: string; readonly text: string }[];
}

/** Why a machine gets what it gets, what it would get now, and what its last boot did. */
export interface ExplainView {
  readonly mac: string;
  /** Absent: never seen. */
  readonly machine?: MachineView;
  readonly session?: SessionView;
  readonly assignment: AssignmentView;
  /** `boot`: it gets its script; `wait`: it waits for approval; `refuse`: it gets nothing. */
  readonly decision: 'boot' | 'wait' | 'refuse';
  readonly message: string;
  /** Why it is admitted, or not, beside the reasons of the assignment. */
  readonly reasons: readonly string[];
  /** Absent: its architecture is not known yet. */
  readonly bootfile?: {
    readonly architecture: string;
    /** Absent: it is sent none, and reasons say why. */
    readonly file?: string;
    readonly reasons: readonly string[];
  };
  readonly dhcp: DhcpExplanation;
  /** Absent where it would not boot, or where its role does not render: then `problems` says so. */
  readonly preview?: PreviewView;
  readonly problems: readonly Problem[];
  /** Of its newest session, if that is stalled. */
  readonly diagnosis?: Diagnosis;
  /** The newest thing that is recorded of it. */
  readonly lastEvent?: BootEvent;
}

/** What it would be answered if it asked now. */
export interface DhcpExplanation {
  readonly mode: 'proxy' | 'server' | 'off';
  /** Where it was heard last, else the first that is configured; absent: no interface has an address. */
  readonly interface?: string;
  readonly answers: readonly {
    /** `DISCOVER of its firmware`. */
    readonly asked: string;
    /** Empty: silence. */
    readonly answer: string;
    readonly reasons: readonly string[];
  }[];
  /** What was not looked at. */
  readonly note?: string;
}

/** A role with everything that is wrong with it. */
export interface RoleView {
  readonly name: string;
  readonly description: string;
  /** The folder. */
  readonly folder: string;
  readonly boot: 'kernel' | 'menu' | 'local' | 'hold';
  readonly identity: string;
  /** Entries and rules of machines.yaml that give it, with their lines. */
  readonly givenBy: readonly { readonly what: string; readonly line: number }[];
  /** Machines whose newest boot had it. */
  readonly machines: number;
  readonly problems: readonly Problem[];
}

export interface RoleListView {
  readonly roles: readonly RoleView[];
  /** Of machines.yaml, and why what is on disk is not in force. */
  readonly problems: readonly Problem[];
}

export interface RoleDetailView extends RoleView {
  readonly files: readonly { readonly name: string; readonly text: string }[];
  /** Newest boot first; at most a hundred. */
  readonly usedBy: readonly { readonly mac: string; readonly hostname?: string }[];
}
