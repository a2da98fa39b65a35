import type { TftpRequest } from '../protocol/tftp/packet.ts';
import type { TftpOptions } from '../protocol/tftp/text.ts';

/** Longest text of a client's that goes into an event. */
const LONGEST = 200;

/** Controls, ends of lines, and marks that nobody sees or that turn the direction of writing around. */
const UNREADABLE = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu;

/** A text that came from the network, for people: bounded, without what a terminal would act on instead of showing. */
export function readable(text: string): string {
  // Not within a character: half of a pair is none.
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST).replace(/[\ud800-\udbff]$/, '')}…` : text;
  return short.replaceAll(UNREADABLE, '?');
}

/** `RRQ undionly.kpxe (octet, tsize 0, blksize 1468)`. */
export function describeRequest(request: TftpRequest): string {
  const options = describeOptions(request.options);
  return readable(
    `RRQ ${request.name} (${request.mode.toLowerCase()}${options === '' ? '' : `, ${options}`})`,
  );
}

/** `tsize 74213, blksize 1468`. */
export function describeOptions(options: TftpOptions): string {
  return [...options].map(([name, value]) => `${name} ${value}`).join(', ');
}
