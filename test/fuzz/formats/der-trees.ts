import type { Random } from '../engine/random.ts';
import type { Mutator } from '../engine/target.ts';

/** An element of DER: what it is, and its parts or its bytes. */
interface Element {
  readonly tag: number;
  readonly parts?: Element[];
  readonly bytes: Uint8Array;
}

const CONSTRUCTED = 0x20;
const MOST_DEPTH = 12;

/** As much of it as can be read. */
function read(bytes: Uint8Array, depth = 0): Element[] {
  const elements: Element[] = [];
  let at = 0;
  while (at + 2 <= bytes.length) {
    const tag = bytes[at] as number;
    const first = bytes[at + 1] as number;
    const count = first < 128 ? 0 : first & 127;
    if (count > 2 || at + 2 + count > bytes.length) break;
    let length = first & 127;
    if (count > 0) {
      length = 0;
      for (const byte of bytes.subarray(at + 2, at + 2 + count)) length = length * 256 + byte;
    }
    const start = at + 2 + count;
    if (start + length > bytes.length) break;
    const content = bytes.subarray(start, start + length);
    const isMade = (tag & CONSTRUCTED) !== 0 && depth < MOST_DEPTH;
    elements.push({ tag, bytes: content, ...(isMade ? { parts: read(content, depth + 1) } : {}) });
    at = start + length;
  }
  return elements;
}

function write(elements: readonly Element[]): number[] {
  return elements.flatMap(({ tag, parts, bytes }) => {
    const content = parts === undefined ? [...bytes] : write(parts);
    const { length } = content;
    const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 255];
    return [tag & 255, ...size, ...content];
  });
}

/** Every list of elements in the tree, the outermost first. */
function listsOf(elements: Element[]): Element[][] {
  return [elements, ...elements.flatMap(({ parts }) => (parts === undefined ? [] : listsOf(parts)))];
}

const TAGS = [
  1, 2, 3, 4, 5, 6, 10, 12, 19, 20, 22, 23, 24, 30, 48, 49, 0x80, 0x81, 0x82, 0x86, 0x87, 0xa0, 0xa3,
];

/** Changes of the tree, after which every length is right again; the first `at` bytes are not of it. */
export function derMutators(at: number, values: readonly Uint8Array[]): readonly Mutator[] {
  const onList =
    (change: (list: Element[], index: number, random: Random, others: Element[]) => void): Mutator =>
    (input, random, other) => {
      const tree = read(input.subarray(at));
      const lists = listsOf(tree).filter(({ length }) => length > 0);
      if (lists.length === 0) return input;
      const list = random.pick(lists);
      const theirs = listsOf(read(other.subarray(at))).filter(({ length }) => length > 0);
      change(list, random.below(list.length), random, theirs.length === 0 ? list : random.pick(theirs));
      return Uint8Array.from([...input.subarray(0, at), ...write(tree)]);
    };
  return [
    onList((list, index) => void list.splice(index, 1)),
    onList(
      (list, index, random) => void list.splice(random.below(list.length + 1), 0, list[index] as Element),
    ),
    onList((list, index, random, others) => void list.splice(index, random.below(2), random.pick(others))),
    onList(
      (list, index, random) => void (list[index] = { ...(list[index] as Element), tag: random.pick(TAGS) }),
    ),
    onList((list, index, random) => {
      const { tag } = list[index] as Element;
      list[index] = { tag: tag & ~CONSTRUCTED, bytes: random.pick(values) };
    }),
    onList((list, index, random) => {
      const element = list[index] as Element;
      if (element.parts !== undefined) return;
      const bytes = Uint8Array.from({ length: random.pick([0, 1, 2, 4, 5, 16, 33, 200]) }, () =>
        random.below(256),
      );
      list[index] = { tag: element.tag, bytes };
    }),
    onList((list, index) => {
      const element = list[index] as Element;
      list[index] = { tag: 48, parts: [element], bytes: element.bytes };
    }),
    // What an octet string wraps.
    onList((list, index, random) => {
      const element = list[index] as Element;
      const inner = read(element.bytes);
      if (element.tag !== 4 || inner.length === 0) return;
      const all = listsOf(inner).filter(({ length }) => length > 0);
      const chosen = random.pick(all);
      const place = random.below(chosen.length);
      chosen[place] = { tag: random.pick(TAGS) & ~CONSTRUCTED, bytes: random.pick(values) };
      list[index] = { tag: 4, bytes: Uint8Array.from(write(inner)) };
    }),
  ];
}
