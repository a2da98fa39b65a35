import type { Problem } from '../errors.ts';

/** What a failed read of `file` means to an operator. Takes whatever node:fs threw. */
export function describeFileError(file: string, thrown: unknown): Problem {
  const code = (thrown as { code?: unknown } | null)?.code;
  const problem = (message: string, remedy?: string): Problem => ({
    severity: 'error',
    message,
    file,
    ...(remedy === undefined ? {} : { remedy }),
  });
  switch (code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return problem('there is no such file');
    case 'EISDIR':
      return problem('this is a folder, not a file');
    case 'EACCES':
    case 'EPERM':
      return problem(
        'the file may not be read',
        'Give the user that Tinderbox runs as the right to read it.',
      );
    case 'ELOOP':
      return problem('a symbolic link that leads to itself');
    default:
      return problem(`the file cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}
