import type { MachineArch } from '../machine/architecture.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { BootSession } from '../machine/session.ts';
import type { SessionTrace } from './session-trace.ts';

/** Another server that names a boot file of its own to who boots from the network. */
export interface OtherBootServer {
  readonly address: string;
  readonly bootfile: string;
  /** Where the file is to be fetched, if not there. */
  readonly nextServer?: string;
}

/** What the daemon knows besides what it recorded of the machine. */
export interface DaemonFacts {
  readonly mode: 'proxy' | 'server' | 'off';
  /** How UEFI firmware is told of its boot file in proxy mode. */
  readonly uefiProxy: 'pxe' | 'offer';
  /** On the machine's interface. */
  readonly otherBootServers: readonly OtherBootServer[];
  /** A probe found nobody there who gives addresses. */
  readonly nobodyGivesAddresses: boolean;
  /** The loader that this firmware is given. `builtFor`: what its header says; absent: it does not say. */
  readonly loader?: { readonly file: string; readonly builtFor?: MachineArch | 'bios' };
  /** Sentences about files that the role wants and that are not there. */
  readonly missingAssets: readonly string[];
  /** Bytes, of the interface. */
  readonly mtu?: number;
  readonly ports: { readonly http: number; readonly tftp: number };
  /** What the machine is told to fetch from. */
  readonly url?: string;
  /** Absent: no cluster is configured. */
  readonly cluster?: {
    /** Why the API server cannot be asked. */
    readonly problem?: string;
    /** Nodes that may be this machine under another name: sentences. */
    readonly lookalikes: readonly string[];
  };
  /** What the session's role is like; absent: it has none, or the profiles do not have it any more. */
  readonly role?: { readonly hasInitrd: boolean; readonly hasConfig: boolean };
}

/** All that a diagnosis is made from. */
export interface DiagnosisCase {
  readonly session: BootSession;
  readonly trace: SessionTrace;
  readonly machine: MachineFacts;
  /** Its boot sessions before this one, newest first. */
  readonly former: readonly BootSession[];
  readonly daemon: DaemonFacts;
  /** Milliseconds since the epoch. */
  readonly now: number;
}
