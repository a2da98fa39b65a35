import type { TftpOptions } from './text.ts';

/** RFC 1350: what holds where no option says otherwise. */
export const DEFAULT_BLOCK_SIZE = 512;
const SMALLEST_BLOCK = 8;
const LARGEST_BLOCK = 65464;
/** IPv4 header, UDP header and TFTP header: what a block adds to a frame, so that no block is sent in fragments. */
export const HEADERS = 32;
/**
 * A window goes out at once, and what the client's socket has no room for is lost: Linux gives a socket 208 KB, and
 * counts each packet with its overhead (a block of 1468 as 2304 bytes).
 */
const LARGEST_WINDOW = 64;
const LARGEST_WINDOW_BYTES = 128 * 1024;

export interface NegotiationLimits {
  /** Bytes of the file, for `tsize`. */
  readonly fileSize: number;
  /** Bytes of the interface the client is on. */
  readonly mtu: number;
}

/** What both sides do, the OACK that says so, and why values differ from those asked. */
export interface Negotiated {
  readonly blockSize: number;
  /** Blocks sent for one ACK; 1 is lock step. */
  readonly windowSize: number;
  /** Seconds that the client asked for between retransmissions. */
  readonly timeout: number | undefined;
  /** Undefined: no OACK; the first block is the answer. */
  readonly answer: TftpOptions | undefined;
  readonly reasons: readonly string[];
}

/**
 * RFC 2347, 2348 (blksize), 2349 (timeout, tsize), 7440 (windowsize). TFTP 2: answers only what was asked, and never
 * with a larger value (EDK2 rejects the OACK otherwise); what makes no sense is left out, as RFC 2347 has it, so that
 * it is as if it had not been asked.
 */
export function negotiateOptions(asked: TftpOptions, limits: NegotiationLimits): Negotiated {
  const answer = new Map<string, string>();
  const reasons: string[] = [];
  const blockSize = negotiateBlockSize(asked, limits, reasons);
  const windowSize = negotiateWindow(asked, blockSize ?? DEFAULT_BLOCK_SIZE, reasons);
  const timeout = inRange(asked, 'timeout', 1, 255, reasons);
  for (const name of asked.keys()) {
    if (name === 'blksize' && blockSize !== undefined) answer.set(name, String(blockSize));
    else if (name === 'windowsize' && windowSize !== undefined) answer.set(name, String(windowSize));
    // Echoed or left out, never clamped: RFC 2349 allows no other value.
    else if (name === 'timeout' && timeout !== undefined) answer.set(name, String(timeout));
    else if (name === 'tsize') answer.set(name, String(limits.fileSize));
  }
  return {
    blockSize: blockSize ?? DEFAULT_BLOCK_SIZE,
    windowSize: windowSize ?? 1,
    timeout,
    answer: answer.size === 0 ? undefined : answer,
    reasons,
  };
}

function negotiateBlockSize(
  asked: TftpOptions,
  limits: NegotiationLimits,
  reasons: string[],
): number | undefined {
  const wanted = inRange(asked, 'blksize', SMALLEST_BLOCK, 65535, reasons);
  if (wanted === undefined) return undefined;
  const largest = Math.max(SMALLEST_BLOCK, Math.min(LARGEST_BLOCK, limits.mtu - HEADERS));
  if (wanted <= largest) return wanted;
  reasons.push(`blksize ${wanted} made ${largest}: more does not fit the MTU of ${limits.mtu}`);
  return largest;
}

function negotiateWindow(asked: TftpOptions, blockSize: number, reasons: string[]): number | undefined {
  const wanted = inRange(asked, 'windowsize', 1, 65535, reasons);
  if (wanted === undefined) return undefined;
  const largest = Math.max(1, Math.min(LARGEST_WINDOW, Math.floor(LARGEST_WINDOW_BYTES / blockSize)));
  if (wanted <= largest) return wanted;
  reasons.push(`windowsize ${wanted} made ${largest}: more would overrun the client's socket`);
  return largest;
}

function inRange(
  asked: TftpOptions,
  name: string,
  least: number,
  most: number,
  reasons: string[],
): number | undefined {
  const text = asked.get(name);
  if (text === undefined) return undefined;
  const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  reasons.push(`${name} left out: "${plain(text)}" is not within ${least}–${most}`);
  return undefined;
}

/** A stranger's text, on its way to a timeline and a terminal: JSON would leave the controls above U+007F in it. */
function plain(text: string): string {
  return text.slice(0, 20).replace(/[^ !#-[\]-~]/g, '?');
}
