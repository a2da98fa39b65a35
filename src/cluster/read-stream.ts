import { BadAnswer } from './describe-trouble.ts';

/** More than a Node may ever have: etcd takes 1.5 MiB an object, which JSON may make longer. */
export const MAX_LINE = 4 * 1024 * 1024;

/** The lines of a watch, one JSON object each. Throws BadAnswer on one that is longer than `limit` bytes. */
export async function* readLines(
  stream: AsyncIterable<Uint8Array>,
  limit: number = MAX_LINE,
): AsyncIterable<string> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, from)) {
      parts.push(chunk.subarray(from, end));
      length += end - from;
      if (length > limit) throw tooLong('a line of the watch', limit);
      const line = Buffer.concat(parts).toString();
      parts = [];
      length = 0;
      from = end + 1;
      if (line.trim() !== '') yield line;
    }
    parts.push(chunk.subarray(from));
    length += chunk.length - from;
    if (length > limit) throw tooLong('a line of the watch', limit);
  }
  // A line without its end was cut off with the connection, and comes again with the next watch.
}

/** The whole body as text. Throws BadAnswer if it is longer than `limit` bytes. */
export async function readBody(stream: AsyncIterable<Uint8Array>, limit: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of stream) {
    parts.push(chunk);
    length += chunk.length;
    if (length > limit) throw tooLong("the API server's answer", limit);
  }
  return Buffer.concat(parts).toString();
}

function tooLong(what: string, limit: number): BadAnswer {
  return new BadAnswer(`${what} is longer than ${limit} bytes`);
}
