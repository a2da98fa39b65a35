import type { Problem } from '../errors.ts';

/** Larger files are refused unread: 1 MiB holds some ten thousand machines. */
export const MAX_DOCUMENT_BYTES = 1024 * 1024;

export type DecodedText = { readonly text: string } | { readonly problem: Problem };

/** UTF-8 without a byte order mark. What is no text (UTF-16, zero bytes, Latin-1) is a problem that says where. */
export function decodeText(bytes: Uint8Array, file: string): DecodedText {
  if (bytes.length > MAX_DOCUMENT_BYTES) return { problem: tooLarge(file, bytes.length) };
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    return { problem: notText(file, 1, 1, 'the file is UTF-16, not UTF-8') };
  }
  const zero = bytes.indexOf(0);
  if (zero !== -1) {
    const place = placeInBytes(bytes, zero);
    return { problem: notText(file, place.line, place.column, 'a zero byte: the file is not text') };
  }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) };
  } catch {
    const place = placeInBytes(bytes, firstBadByte(bytes));
    return { problem: notText(file, place.line, place.column, 'a byte that is not UTF-8') };
  }
}

export function tooLarge(file: string, bytes: number): Problem {
  return {
    severity: 'error',
    message: `the file has ${bytes} bytes; at most ${MAX_DOCUMENT_BYTES} (1 MiB) are read`,
    file,
  };
}

function notText(file: string, line: number, column: number, message: string): Problem {
  return { severity: 'error', message, file, line, column, remedy: 'Save the file as UTF-8 text.' };
}

/** Halves the search: a prefix of valid UTF-8 decodes as a stream, whatever follows it. */
function firstBadByte(bytes: Uint8Array): number {
  let good = 0;
  let bad = bytes.length;
  while (bad - good > 1) {
    const middle = (good + bad) >> 1;
    if (decodesAsPrefix(bytes.subarray(0, middle))) good = middle;
    else bad = middle;
  }
  return good;
}

function decodesAsPrefix(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function placeInBytes(bytes: Uint8Array, offset: number): { line: number; column: number } {
  let line = 1;
  let lineStart = 0;
  for (let index = bytes.indexOf(10); index !== -1 && index < offset; index = bytes.indexOf(10, index + 1)) {
    line += 1;
    lineStart = index + 1;
  }
  const before = new TextDecoder().decode(bytes.subarray(lineStart, offset));
  return { line, column: before.length + 1 };
}
