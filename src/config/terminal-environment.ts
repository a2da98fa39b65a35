/** What the environment says of the terminal that a command writes to. */
export interface TerminalEnvironment {
  /** False under NO_COLOR (no-color.org: set to anything but an empty text). */
  readonly color: boolean;
  /** Its locale shows more than ASCII. */
  readonly unicode: boolean;
  /** It can move the cursor. */
  readonly moves: boolean;
}

export function readTerminalEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
): TerminalEnvironment {
  // The first of the three that is set decides (locale(7)).
  const locale = [env['LC_ALL'], env['LC_CTYPE'], env['LANG']].find((text) => (text ?? '') !== '') ?? '';
  return {
    color: (env['NO_COLOR'] ?? '') === '',
    unicode: /utf-?8/i.test(locale),
    moves: !['', 'dumb', 'unknown'].includes(env['TERM'] ?? ''),
  };
}
