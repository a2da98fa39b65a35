import { createInterface } from 'node:readline/promises';
import { TinderboxError } from '../errors.ts';
import { usageError } from './exit.ts';

export interface Question {
  /** `--mode`: how the answer is given without being asked. */
  readonly flag: string;
  readonly label: string;
  /** One line: what it is about. */
  readonly why: string;
  /** What Enter means; undefined: there must be an answer. */
  readonly fallback: string | undefined;
  /** What is wrong with an answer; undefined: nothing. */
  readonly check: (answer: string) => string | undefined;
}

/** Where answers come from: a terminal, or the defaults. */
export interface Asker {
  readonly interactive: boolean;
  ask(question: Question): Promise<string>;
  /** Yes or no; `fallback` is what Enter means, and what is meant where nobody is asked. */
  confirm(label: string, fallback: boolean): Promise<boolean>;
  /** Aborted by Ctrl-C and by the end of the input. */
  readonly signal: AbortSignal | undefined;
  close(): void;
}

/** Nobody is asked: the defaults hold. A question without one is wrong usage. */
export function silentAsker(): Asker {
  return {
    interactive: false,
    signal: undefined,
    ask({ flag, label, why, fallback }) {
      if (fallback !== undefined) return Promise.resolve(fallback);
      return Promise.reject(usageError(`${label} is not known: give ${flag}`, why));
    },
    confirm: (_label, fallback) => Promise.resolve(fallback),
    close: () => undefined,
  };
}

/** Questions go to stderr, so that what the command prints can be piped. Ctrl-C and Ctrl-D end it with `refused`. */
export function terminalAsker(): Asker {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const stop = new AbortController();
  lines.on('SIGINT', () => stop.abort()).on('close', () => stop.abort());
  const read = async (prompt: string): Promise<string> => {
    try {
      return (await lines.question(prompt, { signal: stop.signal })).trim();
    } catch (cause) {
      if (!stop.signal.aborted) throw cause;
      process.stderr.write('\n');
      throw new TinderboxError('refused', 'stopped; nothing was written', { cause });
    }
  };
  return {
    interactive: true,
    signal: stop.signal,
    async ask({ label, why, fallback, check }) {
      say(`\n${why}\n`);
      for (;;) {
        const given = await read(
          fallback === undefined ? `${label}: ` : `${label} [${fallback === '' ? 'none' : fallback}]: `,
        );
        const answer = given === '' && fallback !== undefined ? fallback : given;
        const wrong = answer === '' && fallback === undefined ? 'it must be given' : check(answer);
        if (wrong === undefined) return answer;
        say(`  ${wrong}\n`);
      }
    },
    async confirm(label, fallback) {
      for (;;) {
        const given = (await read(`${label} [${fallback ? 'Y/n' : 'y/N'}]: `)).toLowerCase();
        if (given === '') return fallback;
        if (given === 'y' || given === 'yes') return true;
        if (given === 'n' || given === 'no') return false;
      }
    },
    close: () => lines.close(),
  };
}

const say = (text: string): void => void process.stderr.write(text);

/** The flag, if it was given and is good; else the answer. */
export async function flagOrAnswer(
  given: string | undefined,
  question: Question,
  asker: Asker,
): Promise<string> {
  if (given === undefined) return asker.ask(question);
  const wrong = question.check(given);
  if (wrong !== undefined) throw usageError(`${question.flag} ${given}: ${wrong}`);
  return given;
}
