import type { Random } from './random.ts';
import type { Mutator } from './target.ts';

/** Where lengths, counters and signs turn over. */
const TURNING = [
  0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 100, 127, 128, 129, 191, 192, 200, 240, 254, 255,
];
const TURNING_16 = [
  0, 1, 255, 256, 511, 512, 1023, 1024, 1468, 1500, 4095, 4096, 32767, 32768, 65464, 65534, 65535,
];

/** `input` with `[start, end)` replaced. */
export function replaceBytes(input: Uint8Array, start: number, end: number, by: Uint8Array): Uint8Array {
  const output = new Uint8Array(input.length - (end - start) + by.length);
  output.set(input.subarray(0, start));
  output.set(by, start);
  output.set(input.subarray(end), start + by.length);
  return output;
}

/** A piece of at least one byte, and mostly of a few. */
function piece(input: Uint8Array, random: Random): readonly [start: number, end: number] {
  const start = random.below(input.length);
  const most = random.oneIn(4) ? input.length - start : Math.min(8, input.length - start);
  return [start, start + 1 + random.below(most)];
}

const NOTHING = new Uint8Array(0);

const changed = (input: Uint8Array, at: number, value: number): Uint8Array => {
  const output = input.slice();
  output[at] = value & 255;
  return output;
};

/** None knows a format; each leaves at least nothing. */
const MUTATORS: readonly Mutator[] = [
  (input, random) => {
    const at = random.below(input.length);
    return changed(input, at, (input[at] ?? 0) ^ (1 << random.below(8)));
  },
  (input, random) => changed(input, random.below(input.length), random.below(256)),
  (input, random) => changed(input, random.below(input.length), random.pick(TURNING)),
  (input, random) => {
    const at = random.below(input.length);
    return changed(input, at, (input[at] ?? 0) + random.below(9) - 4);
  },
  (input, random) => {
    const at = random.below(input.length);
    const value = random.pick(TURNING_16);
    return replaceBytes(input, at, Math.min(at + 2, input.length), Uint8Array.of(value >> 8, value));
  },
  (input, random) => replaceBytes(input, ...piece(input, random), NOTHING),
  (input, random) => {
    const at = random.below(input.length + 1);
    const length = 1 + random.below(random.oneIn(8) ? 64 : 4);
    return replaceBytes(
      input,
      at,
      at,
      Uint8Array.from({ length }, () => random.below(256)),
    );
  },
  (input, random) => {
    const [start, end] = piece(input, random);
    const at = random.below(input.length + 1);
    return replaceBytes(input, at, at, input.subarray(start, end));
  },
  (input, random) => {
    const [start, end] = piece(input, random);
    const value = random.oneIn(2) ? 0 : random.below(256);
    return replaceBytes(input, start, end, new Uint8Array(end - start).fill(value));
  },
  (input, random) => {
    const [start, end] = piece(input, random);
    const times = 2 + random.below(random.oneIn(8) ? 64 : 4);
    const repeated = Array.from({ length: times }, () => [...input.subarray(start, end)]).flat();
    return replaceBytes(input, start, end, Uint8Array.from(repeated));
  },
  (input, random, other) => crossOver(input, random, other),
];

/** The beginning of one and the end of another, or a piece of another in the middle. */
export function crossOver(input: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  if (other.length === 0) return input;
  const at = random.below(input.length + 1);
  if (random.oneIn(2))
    return replaceBytes(input, at, input.length, other.subarray(random.below(other.length)));
  const [start, end] = piece(other, random);
  return replaceBytes(
    input,
    at,
    random.oneIn(2) ? at : Math.min(input.length, at + end - start),
    other.subarray(start, end),
  );
}

const encoder = new TextEncoder();

/** Puts a word of the dictionary in, or over what is there. */
export function insertWord(
  input: Uint8Array,
  random: Random,
  dictionary: readonly (string | Uint8Array)[],
): Uint8Array {
  const word = random.pick(dictionary);
  const bytes = typeof word === 'string' ? encoder.encode(word) : word;
  const at = random.below(input.length + 1);
  const end = random.oneIn(2) ? at : Math.min(input.length, at + bytes.length);
  return replaceBytes(input, at, end, bytes);
}

/** One change that knows nothing of the format. */
export function mutateBytes(input: Uint8Array, random: Random, other: Uint8Array): Uint8Array {
  if (input.length === 0) return Uint8Array.from({ length: 1 + random.below(16) }, () => random.below(256));
  return random.pick(MUTATORS)(input, random, other);
}
