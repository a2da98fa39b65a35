import type { DocumentReading } from '../document/read-document.ts';
import type { Problem } from '../errors.ts';

type Path = readonly (string | number)[];
interface Extra {
  readonly remedy?: string;
  /** Point at the key and not at its value. */
  readonly key?: boolean;
}

/** Collects problems with the place of what they are about. */
export interface Reporter {
  readonly problems: readonly Problem[];
  error(path: Path, message: string, extra?: Extra): void;
  warn(path: Path, message: string, extra?: Extra): void;
  lineOf(path: Path): number;
  /** Whether the file says anything at `path`. */
  has(path: Path): boolean;
}

export function createReporter(file: string, reading: DocumentReading<unknown>): Reporter {
  const problems: Problem[] = [...reading.problems];
  const add = (severity: Problem['severity'], path: Path, message: string, extra: Extra = {}): void => {
    const place = extra.key === true ? reading.locateKey(path) : reading.locate(path);
    const remedy = extra.remedy === undefined ? {} : { remedy: extra.remedy };
    problems.push({ severity, message, file, line: place.line, column: place.column, ...remedy });
  };
  return {
    problems,
    error: (path, message, extra) => add('error', path, message, extra),
    warn: (path, message, extra) => add('warning', path, message, extra),
    lineOf: (path) => reading.locateKey(path).line,
    has: (path) => reading.has(path),
  };
}
