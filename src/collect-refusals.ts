import { type ErrorCode, type Problem, TinderboxError, toTinderboxError } from './errors.ts';

/** Tries several things of which some may be refused, so that the operator hears of all of them at once. */
export interface Refusals {
  /** Undefined if it was refused; what is no refusal is thrown at once. */
  attempt<T>(start: () => Promise<T>): Promise<T | undefined>;
  /** Throws the one refusal as it is, several as one TinderboxError with a problem each. */
  throwIfAny(): void;
}

/** What does not keep the next door from being tried: somebody has this one, or it is not for this user. */
const REFUSALS: readonly ErrorCode[] = ['in-use', 'refused'];

export function collectRefusals(): Refusals {
  const refused: TinderboxError[] = [];
  return {
    async attempt(start) {
      try {
        return await start();
      } catch (thrown) {
        const error = toTinderboxError(thrown);
        if (!REFUSALS.includes(error.code)) throw thrown;
        refused.push(error);
        return undefined;
      }
    },
    throwIfAny() {
      const [first, ...others] = refused;
      if (first === undefined) return;
      if (others.length === 0) throw first;
      const problems = refused.flatMap((error) =>
        error.problems.length > 0 ? error.problems : [asProblem(error)],
      );
      throw new TinderboxError(first.code, `cannot start: ${problems.length} problems`, {
        problems,
        cause: first,
      });
    },
  };
}

function asProblem({ message, remedy }: TinderboxError): Problem {
  return { severity: 'error', message, ...(remedy === undefined ? {} : { remedy }) };
}
