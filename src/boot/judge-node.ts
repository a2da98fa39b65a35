import type { BootSession } from '../machine/session.ts';
import { stageReached } from '../machine/stage.ts';

/** A boot of a Node's machine, as it was noticed: by the kernel's boot ID. */
export interface NodeBoot {
  /** `status.nodeInfo.bootID`. */
  readonly bootId: string | undefined;
  /** When a Node with it was first seen, by our own clock; milliseconds since the epoch. */
  readonly seenAt: number;
}

export interface NodeVerdict {
  /** Whether the Node speaks of this session's boot at all. */
  readonly counts: boolean;
  /** It counts, and is Ready. */
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** To be called with each change of a Node. */
export function rememberBoot(known: NodeBoot | undefined, bootId: string | undefined, now: number): NodeBoot {
  return known !== undefined && known.bootId === bootId ? known : { bootId, seenAt: now };
}

/**
 * Whether what a Node says counts for a session. A Node outlives its machine's reboot, and stays Ready for about 40 s
 * after the power went off (kube-controller-manager, --node-monitor-grace-period): only a boot ID that came up during
 * the session shows that the kubelet is the one that this session booted.
 */
export function judgeNode(
  node: { readonly name: string; readonly ready: boolean; readonly reason: string },
  boot: NodeBoot,
  session: BootSession,
): NodeVerdict {
  const { counts, why } = doesCount(boot, session);
  const state = `Node ${node.name} is ${node.ready ? 'Ready' : 'not Ready'}${node.reason === '' ? '' : ` (${node.reason})`}`;
  return { counts, ready: counts && node.ready, reasons: [state, why] };
}

/**
 * Why a Node is certainly of a boot before the session's, if it is: its machine boots anew, so that the kubelet that
 * wrote it is gone. Undefined where it may be of this boot.
 */
export function whyOfEarlierBoot({ bootId, seenAt }: NodeBoot, session: BootSession): string | undefined {
  if (bootId !== undefined && bootId === session.bootId) return undefined;
  if (bootId !== undefined && bootId === session.formerBootId) return LEFT_OVER;
  return seenAt < session.openedAt ? seenBefore(session) : undefined;
}

const LEFT_OVER = "its boot ID is the one of this machine's boot before: it is what was left of it";

function seenBefore({ id }: BootSession): string {
  return `its boot ID was seen before session ${id} opened: it is of an earlier boot`;
}

function doesCount(
  { bootId, seenAt }: NodeBoot,
  session: BootSession,
): { readonly counts: boolean; readonly why: string } {
  if (bootId === undefined) {
    return stageReached(session.stage, 'booted')
      ? { counts: true, why: 'it has no boot ID; the machine itself said that it booted' }
      : { counts: false, why: 'it has no boot ID, and the machine has not said yet that it booted' };
  }
  if (bootId === session.bootId) return { counts: true, why: 'its boot ID is the one of this boot' };
  if (bootId === session.formerBootId) return { counts: false, why: LEFT_OVER };
  if (!stageReached(session.stage, 'config')) {
    return {
      counts: false,
      why: `the machine has not fetched its configuration yet (stage ${session.stage}), so that no kubelet of this boot can run`,
    };
  }
  if (seenAt < session.openedAt) {
    const remedy = 'If the clock of this host was set back since, boot the machine again';
    return { counts: false, why: `${seenBefore(session)}. ${remedy}` };
  }
  return { counts: true, why: `its boot ID came up during session ${session.id}` };
}
