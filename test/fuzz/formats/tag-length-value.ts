import { replaceBytes } from '../engine/mutate-bytes.ts';
import type { Random } from '../engine/random.ts';
import type { Mutator } from '../engine/target.ts';

/** One option as it stands in an input: code, length, value; a pad or an end has no length. */
interface Piece {
  readonly start: number;
  readonly end: number;
}

const PAD = 0;
const END = 255;

/** The options in `input[from, to)`, up to the first that does not fit. */
export function piecesOf(input: Uint8Array, from: number, to = input.length): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = from;
  while (at < to) {
    const code = input[at];
    const length = code === PAD || code === END ? -1 : input[at + 1];
    const end = length === undefined ? to + 1 : at + 2 + length;
    if (end > to) break;
    pieces.push({ start: at, end });
    at = end;
  }
  return pieces;
}

export const option = (code: number, value: ArrayLike<number>): Uint8Array =>
  Uint8Array.of(code, value.length & 255, ...Array.from(value));

const LENGTHS = [0, 1, 2, 3, 4, 5, 8, 16, 17, 18, 63, 64, 127, 128, 250, 253, 254, 255];

export interface OptionLayout {
  /** Where the options begin. */
  readonly from: number;
  /** Of codes that are read. */
  readonly codes: readonly number[];
  /** Values that mean something, by code. */
  readonly values: (code: number, random: Random) => readonly number[] | undefined;
}

/** Changes of options made of tag, length and value: wrong lengths, repeats, other orders, known codes and values. */
export function optionMutators({ from, codes, values }: OptionLayout): readonly Mutator[] {
  const anyValue = (code: number, random: Random): readonly number[] => {
    const known = random.oneIn(4) ? undefined : values(code, random);
    return known ?? Array.from({ length: random.pick(LENGTHS) }, () => random.below(256));
  };
  const onPiece =
    (change: (input: Uint8Array, piece: Piece, random: Random, other: Uint8Array) => Uint8Array): Mutator =>
    (input, random, other) => {
      const pieces = piecesOf(input, Math.min(from, input.length));
      return pieces.length === 0 ? input : change(input, random.pick(pieces), random, other);
    };
  const place = (input: Uint8Array, random: Random): number => {
    const pieces = piecesOf(input, Math.min(from, input.length));
    return pieces.length === 0 ? Math.min(from, input.length) : random.pick(pieces).start;
  };
  return [
    // A new option, known or not.
    (input, random) => {
      const code = random.oneIn(6) ? random.below(256) : random.pick(codes);
      const at = place(input, random);
      return replaceBytes(input, at, at, option(code, anyValue(code, random).slice(0, 255)));
    },
    // Another value for one that is there.
    onPiece((input, { start, end }, random) => {
      const code = input[start] ?? 0;
      return replaceBytes(input, start, end, option(code, anyValue(code, random).slice(0, 255)));
    }),
    // A length that is not true.
    onPiece((input, { start }, random) => {
      const output = input.slice();
      if (start + 1 < output.length) output[start + 1] = random.pick(LENGTHS);
      return output;
    }),
    // Cut or filled up, with the length made right again.
    onPiece((input, { start, end }, random) => {
      const length = random.pick(LENGTHS);
      const value = Array.from({ length }, (_, at) => input[start + 2 + at] ?? random.below(256));
      return end - start < 2 ? input : replaceBytes(input, start, end, option(input[start] ?? 0, value));
    }),
    // Left out; there twice; split in two (RFC 3396).
    onPiece((input, { start, end }) => replaceBytes(input, start, end, new Uint8Array(0))),
    onPiece((input, { start, end }, random) => {
      const at = place(input, random);
      return replaceBytes(input, at, at, input.subarray(start, end));
    }),
    onPiece((input, { start, end }, random) => {
      if (end - start < 4) return input;
      const middle = start + 3 + random.below(end - start - 3);
      const code = input[start] ?? 0;
      const halves = [
        ...option(code, input.subarray(start + 2, middle)),
        ...option(code, input.subarray(middle, end)),
      ];
      return replaceBytes(input, start, end, Uint8Array.from(halves));
    }),
    // One of another input.
    onPiece((input, { start }, random, other) => {
      const theirs = piecesOf(other, Math.min(from, other.length));
      if (theirs.length === 0) return input;
      const { start: first, end } = random.pick(theirs);
      return replaceBytes(input, start, start, other.subarray(first, end));
    }),
  ];
}
