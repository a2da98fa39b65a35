import { AsyncLocalStorage } from 'node:async_hooks';
import type { Actor } from '../audit-api.ts';

const actors = new AsyncLocalStorage<Actor>();

/** Whoever asked for what is being done. What nobody asked for, the daemon does. */
export function currentActor(): Actor {
  return actors.getStore() ?? { name: 'tinderbox', via: 'daemon' };
}

/** Everything that `work` does and starts is done by that actor. */
export function runAs<Result>(actor: Actor, work: () => Result): Result {
  return actors.run(actor, work);
}
