import { latin1WithoutTrailingNuls } from './latin1.ts';

/**
 * A stranger's bytes as printable ASCII: everything else, quotes and backslashes become `\xNN`, so that nothing reaches
 * a terminal, a log line or a page as a control. At most `maximum` characters, `...` where more were left out.
 */
export function escapeText(bytes: Uint8Array, maximum: number): string {
  // No more than `maximum` bytes can be shown, and one beyond tells that there are more.
  const text = latin1WithoutTrailingNuls(bytes.subarray(0, maximum + 1));
  let escaped = '';
  for (const character of text) {
    const shown = /[ !#-[\]-~]/.test(character)
      ? character
      : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
    if (escaped.length + shown.length > maximum) return `${escaped.slice(0, maximum - 3)}...`;
    escaped += shown;
  }
  return escaped;
}
