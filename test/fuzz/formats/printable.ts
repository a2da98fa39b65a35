/** No controls, no marks that turn the direction of writing, no half of a character. */
export function isPrintable(text: string): boolean {
  return text.isWellFormed() && !/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u.test(text);
}

export const isPrintableAscii = (text: string): boolean => /^[\x20-\x7e]*$/.test(text);
