import { DhcpDecodeError } from './dhcp-decode-error.ts';
import { OPTION } from './option-codes.ts';
import type { DhcpOptions } from './packet.ts';

/*
 * The option area (RFC 2132 section 2): tag, length, value; repeated.
 *
 *   +------+-----+---------------+------+-----+-------+ ... +-----+
 *   | code | len | value (len)   | code | len | value |     | 255 |
 *   +------+-----+---------------+------+-----+-------+ ... +-----+
 *
 * Code 0 is a pad and 255 the end; both are one byte, without a length.
 */

/** Addresses and numbers: a loop is faster than the call that copies. */
const SHORT = 16;

/** What one length byte can say. */
const MAXIMUM_FRAGMENT = 255;

/**
 * Collects options from the areas of one packet, in RFC 3396's order: options, then `file`, then `sname`. Repeats are
 * joined once, at the end: joining each as it comes lets one datagram of thousands of repeats cost quadratic time.
 */
export interface OptionCollector {
  readonly options: Map<number, Uint8Array>;
  repeats: Map<number, Uint8Array[]> | undefined;
}

/**
 * Adds the options in `bytes[start, end)` as views. A missing end marker is accepted, as every peer does; an option
 * that reaches beyond the area throws DhcpDecodeError `truncated-option`.
 */
export function collectOptions(
  collector: OptionCollector,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  let at = start;
  while (at < end) {
    const code = bytes[at] as number;
    at += 1;
    if (code === OPTION.pad) continue;
    if (code === OPTION.end) return;
    if (at >= end) throw new DhcpDecodeError('truncated-option', `option ${code} has no length`);
    const length = bytes[at] as number;
    at += 1;
    if (at + length > end) {
      throw new DhcpDecodeError(
        'truncated-option',
        `option ${code} says ${length} bytes where ${end - at} are left`,
      );
    }
    collectOne(collector, code, bytes.subarray(at, at + length));
    at += length;
  }
}

function collectOne(collector: OptionCollector, code: number, value: Uint8Array): void {
  const first = collector.options.get(code);
  if (first === undefined) {
    collector.options.set(code, value);
    return;
  }
  collector.repeats ??= new Map();
  const fragments = collector.repeats.get(code);
  if (fragments === undefined) collector.repeats.set(code, [first, value]);
  else fragments.push(value);
}

/** What came of one option so far, its pieces joined. */
export function collectedValue({ options, repeats }: OptionCollector, code: number): Uint8Array | undefined {
  const fragments = repeats?.get(code);
  return fragments === undefined ? options.get(code) : concatenate(fragments);
}

/** Joins what came in several pieces (RFC 3396 section 7). */
export function joinRepeats(collector: OptionCollector): void {
  if (collector.repeats === undefined) return;
  for (const [code, fragments] of collector.repeats) collector.options.set(code, concatenate(fragments));
  collector.repeats = undefined;
}

function concatenate(fragments: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(fragments.reduce((sum, fragment) => sum + fragment.length, 0));
  let at = 0;
  for (const fragment of fragments) {
    joined.set(fragment, at);
    at += fragment.length;
  }
  return joined;
}

/**
 * Bytes that encodeOptions will write, the end marker included. Throws a RangeError on codes that cannot be sent: pad,
 * end, overload (layout, which the encoder never uses), anything outside 1–254.
 */
export function encodedOptionsLength(options: DhcpOptions): number {
  let length = 1;
  for (const [code, value] of options) {
    if (!Number.isInteger(code) || code <= OPTION.pad || code >= OPTION.end || code === OPTION.overload) {
      throw new RangeError(`option ${code} cannot be sent`);
    }
    length += value.length + 2 * fragmentCount(value);
  }
  return length;
}

/**
 * Writes at `offset`: option 53 first (some ROMs look nowhere else), 82 last (RFC 3046 section 2.1), the others in
 * the given order, values above 255 bytes in several pieces (RFC 3396), then the end marker.
 */
export function encodeOptions(options: DhcpOptions, bytes: Uint8Array, offset: number): void {
  let at = offset;
  const messageType = options.get(OPTION.messageType);
  if (messageType !== undefined) at = writeOption(OPTION.messageType, messageType, bytes, at);
  for (const [code, value] of options) {
    if (code !== OPTION.messageType && code !== OPTION.relayAgentInformation) {
      at = writeOption(code, value, bytes, at);
    }
  }
  const relayAgent = options.get(OPTION.relayAgentInformation);
  if (relayAgent !== undefined) at = writeOption(OPTION.relayAgentInformation, relayAgent, bytes, at);
  bytes[at] = OPTION.end;
}

/** An empty value is still one option of length 0 (rapid commit, for one). */
function fragmentCount(value: Uint8Array): number {
  return value.length <= MAXIMUM_FRAGMENT ? 1 : Math.ceil(value.length / MAXIMUM_FRAGMENT);
}

function writeOption(code: number, value: Uint8Array, bytes: Uint8Array, offset: number): number {
  let at = offset;
  let from = 0;
  do {
    const length = Math.min(MAXIMUM_FRAGMENT, value.length - from);
    bytes[at] = code;
    bytes[at + 1] = length;
    if (length <= SHORT)
      for (let index = 0; index < length; index++) bytes[at + 2 + index] = value[from + index] as number;
    else if (length === value.length) bytes.set(value, at + 2);
    else bytes.set(value.subarray(from, from + length), at + 2);
    at += 2 + length;
    from += length;
  } while (from < value.length);
  return at;
}
