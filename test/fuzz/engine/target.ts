import type { Random } from './random.ts';

/** Changes an input in a way that its format knows; `other` is another input of the corpus, to cross with. */
export type Mutator = (input: Uint8Array, random: Random, other: Uint8Array) => Uint8Array;

/** What is fuzzed: one input, made of bytes, goes in, and whatever must hold of what comes out is checked. */
export interface FuzzTarget {
  /** For people, a sentence. */
  readonly what: string;
  /** Files and folders below src/ whose coverage guides the search. */
  readonly aims: readonly string[];
  /** Bytes of an input at most. */
  readonly maxLength: number;
  /** Inputs to begin with, besides the corpus. */
  readonly seeds: () => readonly Uint8Array[];
  /** Those of the format; changes of plain bytes, or of `dictionary`, are made besides. */
  readonly mutators: readonly Mutator[];
  /** Words that mean something to what reads the input. */
  readonly dictionary: readonly (string | Uint8Array)[];
  /** Throws on what must not be, whatever it is: the known refusals of a parser are its own business to catch. */
  readonly run: (input: Uint8Array) => void | Promise<void>;
}

/** An invariant that does not hold. */
export class Broken extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'Broken';
  }
}

/** Throws Broken, with what is said, unless it holds. */
export function hold(condition: boolean, what: string | (() => string)): asserts condition {
  if (!condition) throw new Broken(typeof what === 'string' ? what : what());
}

/** What `run` throws, if that is one of the errors that it may throw; others are thrown on. */
export function refusalOf<E extends Error>(
  kind: abstract new (...args: never[]) => E,
  run: () => void,
): E | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof kind) return error;
    throw error;
  }
}
