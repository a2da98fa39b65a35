import type { Stall } from './diagnosis.ts';
import type { Ipv4 } from './ipv4.ts';
import type { Mac } from './mac.ts';
import type { Stage } from './stage.ts';

export const SESSION_ENDS = ['ready', 'booted', 'handed-over', 'superseded'] as const;
export type SessionEnd = (typeof SESSION_ENDS)[number];

/** With what a boot is over: `ready` where the machine is to join a cluster. */
export type LastStage = 'booted' | 'ready';

/** What a kubelet registers its Node with. It applies none of it to a Node that exists already. */
export interface NodeRegistration {
  readonly role: string;
  /** Absent: machines of the role are no Nodes, or its name was not known yet. */
  readonly nodeName?: string;
  /** A fingerprint of its labels and taints. */
  readonly marks: string;
}

/** What the Node that boots before left registered with. `left`: it could not be deleted, and is there still. */
export type FormerRegistration = NodeRegistration & { readonly left?: true };

/** One attempt of one machine to boot. */
export interface BootSession {
  readonly id: number;
  readonly mac: Mac;
  /** Milliseconds since the epoch, as all times. */
  readonly openedAt: number;
  readonly updatedAt: number;
  readonly stage: Stage;
  /** When each stage was first reached. */
  readonly stageTimes: Readonly<Partial<Record<Stage, number>>>;
  readonly end?: SessionEnd;
  readonly endedAt?: number;
  /** When it last got its script: from then on its configuration is given out for a while. */
  readonly scriptAt?: number;
  /**
   * Until when signing requests are answered. It makes this the session of a signing token: beside the machine's boot
   * session, for a machine that boots from an image.
   */
  readonly signingUntil?: number;
  /** When the machine last said that its boot failed: a mark, not an end, since what failed is tried again. */
  readonly failedAt?: number;
  /** It overran the time of its stage: a mark, not an end. Gone once it gets to a later stage. */
  readonly stalled?: Stall;
  /** When an alarm was last raised about it, also after its end. */
  readonly alarmedAt?: number;
  /** Since when it is told to wait for approval; absent once it got its script or a refusal. */
  readonly waitingSince?: number;
  /** Set with the role; absent: `booted`. */
  readonly lastStage?: LastStage;
  /** The kernel's boot ID of the Node that made it ready: it proves this boot and no other. */
  readonly bootId?: string;
  /** That of this machine's boot before, which proves nothing of this one. */
  readonly formerBootId?: string;
  /** What its Node is to register with; absent: its role says nothing of Nodes. */
  readonly registration?: NodeRegistration;
  readonly formerRegistration?: FormerRegistration;
  /** What `/ipxe` decided. */
  readonly role?: string;
  readonly hostname?: string;
  /** The address that fetched `/ipxe`. */
  readonly address?: Ipv4;
}
