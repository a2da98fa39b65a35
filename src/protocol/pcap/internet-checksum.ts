/**
 * RFC 1071. The sum of 16-bit words, carries not folded in; an odd last byte counts as if a zero followed. `sum` is
 * what came before, of an even number of bytes.
 */
export function addToSum(bytes: Uint8Array, sum = 0): number {
  let total = sum;
  for (let at = 0; at + 1 < bytes.length; at += 2) total += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  return bytes.length % 2 === 0 ? total : total + ((bytes.at(-1) ?? 0) << 8);
}

/** The 16 bits that stand in a header. */
export function checksumOf(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) folded = (folded % 0x10000) + Math.floor(folded / 0x10000);
  return folded ^ 0xffff;
}
