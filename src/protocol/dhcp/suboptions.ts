import { OPTION } from './option-codes.ts';

/** Options inside an option: code → bytes. */
export type Suboptions = ReadonlyMap<number, Uint8Array>;

/**
 * `padded`: 0 is a pad and 255 the end, one byte each (options 43 and 175). Without it every code has a length
 * (option 82, RFC 3046 section 2.0).
 */
export interface SuboptionLayout {
  readonly padded: boolean;
}

/**
 * Reads tag-length-value inside an option's value. Never throws: these come from vendors' firmware, and what stands
 * before a damaged part is still worth having. The first of repeated codes wins.
 */
export function decodeSuboptions(bytes: Uint8Array, layout: SuboptionLayout): Map<number, Uint8Array> {
  const suboptions = new Map<number, Uint8Array>();
  let at = 0;
  while (at < bytes.length) {
    const code = bytes[at] as number;
    if (layout.padded && code === OPTION.end) break;
    if (layout.padded && code === OPTION.pad) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1];
    if (length === undefined || at + 2 + length > bytes.length) break;
    if (!suboptions.has(code)) suboptions.set(code, bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return suboptions;
}

/** Writes tag-length-value, and the end byte where the layout has one. Throws a RangeError on values above 255 bytes. */
export function encodeSuboptions(suboptions: Suboptions, layout: SuboptionLayout): Uint8Array {
  let length = layout.padded ? 1 : 0;
  for (const [code, value] of suboptions) {
    if (value.length > 255)
      throw new RangeError(`sub-option ${code} has ${value.length} bytes, 255 are the most`);
    length += 2 + value.length;
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const [code, value] of suboptions) {
    bytes[at] = code;
    bytes[at + 1] = value.length;
    bytes.set(value, at + 2);
    at += 2 + value.length;
  }
  if (layout.padded) bytes[at] = OPTION.end;
  return bytes;
}
