import type { TftpRequest } from '../protocol/tftp/packet.ts';
import type { TftpOptions } from '../protocol/tftp/text.ts';

/** Longest text of a client's that goes into an event. */
const LONGEST = 200;

/** A text that came from the network, for people: bounded, without control characters. */
export function readable(text: string): string {
  const short = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  return short.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, '?');
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
