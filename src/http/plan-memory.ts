import type { BootablePlan } from './port.ts';

/** What each session was told to boot, while it is remembered. */
export interface PlanMemory {
  remember(sessionId: number, plan: BootablePlan): void;
  recall(sessionId: number): BootablePlan | undefined;
}

/** Holds the newest `limit` plans; they share the catalog's objects, so that each costs little. */
export function createPlanMemory(limit = 4_096): PlanMemory {
  const plans = new Map<number, BootablePlan>();
  return {
    remember(sessionId, plan) {
      plans.delete(sessionId);
      plans.set(sessionId, plan);
      if (plans.size <= limit) return;
      const [oldest] = plans.keys();
      if (oldest !== undefined) plans.delete(oldest);
    },
    recall: (sessionId) => plans.get(sessionId),
  };
}
