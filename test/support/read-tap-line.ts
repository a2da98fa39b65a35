export interface TapCounts {
  readonly passed: number;
  readonly failed: number;
}

/**
 * What one line of TAP 14 says. Counted are the tests in files (indented by four: a file is the level above it);
 * printed are files, and everything of a failure: its assertion and the diagnostics below it.
 */
export function readTapLine(line: string): TapCounts & { readonly print: boolean } {
  const point = /^( *)(not ok|ok) \d+/.exec(line);
  const comment = /^ *# (?!Subtest|No coverage|time=)/.test(line);
  if (point === null) return { passed: 0, failed: 0, print: comment || isDiagnostic(line) };
  const [, indent = '', verdict] = point;
  const skipped = /# (SKIP|TODO)\b/i.test(line);
  const failed = verdict === 'not ok' || skipped;
  const isTest = indent.length === 4;
  return {
    passed: isTest && !failed ? 1 : 0,
    failed: isTest && failed ? 1 : 0,
    print: failed || indent.length === 0,
  };
}

/** YAML below a failed assertion; passed ones have none. */
function isDiagnostic(line: string): boolean {
  return /^ {6,}(?!ok |1\.\.)\S/.test(line) && !/^ +# /.test(line);
}
