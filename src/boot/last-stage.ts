import type { Role } from '../machine/role.ts';
import type { LastStage } from '../machine/session.ts';

/**
 * With what a boot into this role is over. Workers and controllers run a kubelet, whose Node tells more than their own
 * report; the others are nothing that an API server knows.
 */
export function lastStageOf(role: Pick<Role, 'identity'>, clusterConfigured: boolean): LastStage {
  const isNode = role.identity === 'worker' || role.identity === 'controller';
  return clusterConfigured && isNode ? 'ready' : 'booted';
}
