import { BLOCK, decodePax, decodeTarHeader, paddingOf, type TarHeader } from './tar-header.ts';

export interface TarEntry extends TarHeader {
  /** Must be read to its end, or left alone, before the next entry is asked for. */
  readonly content: AsyncIterable<Buffer>;
}

/** Longest record of names: far beyond what file systems allow. */
const MAX_NAMES = 64 * 1024;

/** The entries of a tar archive, one after the other. Throws an Error where it is damaged or ends early. */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const bytes = createByteReader(source);
  for (;;) {
    let header = decodeTarHeader(await bytes.take(BLOCK));
    if (header === undefined) return;
    if (header.kind === 'names') {
      if (header.size > MAX_NAMES) throw new Error('a record of names is too long');
      const { path, linkpath } = decodePax(await bytes.take(header.size));
      await bytes.take(paddingOf(header.size));
      header = decodeTarHeader(await bytes.take(BLOCK));
      if (header === undefined) throw new Error('the archive ends within an entry');
      header = {
        ...header,
        ...(path === undefined ? {} : { name: path }),
        ...(linkpath === undefined ? {} : { target: linkpath }),
      };
    }
    const body = bytes.open(header.size);
    yield { ...header, content: body };
    for await (const _ of body);
    await bytes.take(paddingOf(header.size));
  }
}

function createByteReader(source: AsyncIterable<Buffer>) {
  const chunks = source[Symbol.asyncIterator]();
  let rest: Buffer = Buffer.alloc(0);

  /** At least one byte, at most `limit`. */
  async function some(limit: number): Promise<Buffer> {
    while (rest.length === 0) {
      const next = await chunks.next();
      if (next.done === true) throw new Error('the file ends early: it is not whole');
      rest = next.value;
    }
    const taken = rest.subarray(0, limit);
    rest = rest.subarray(taken.length);
    return taken;
  }

  return {
    async take(length: number): Promise<Buffer> {
      const parts: Buffer[] = [];
      for (let missing = length; missing > 0; ) {
        const part = await some(missing);
        parts.push(part);
        missing -= part.length;
      }
      return Buffer.concat(parts);
    },
    /** Whoever iterates it again goes on where the one before left it. */
    open(size: number): AsyncIterable<Buffer> {
      let missing = size;
      return {
        async *[Symbol.asyncIterator]() {
          while (missing > 0) {
            const part = await some(missing);
            missing -= part.length;
            yield part;
          }
        },
      };
    },
  };
}
