import { isIPv6 } from 'node:net';

/** How often a wrong token may be given. */
export interface GuessLimit {
  /** Seconds until this address may try; 0: now. */
  wait(address: string): number;
  noteFailure(address: string): void;
  /** It showed a right one: who guesses elsewhere does not hold it up. */
  noteSuccess(address: string): void;
}

interface Bucket {
  left: number;
  at: number;
}

interface Rate {
  readonly size: number;
  /** One more each so many milliseconds. */
  readonly every: number;
}

/** A person who pastes the wrong text, and a monitor with an old token, stay below. */
const PER_ADDRESS: Rate = { size: 10, every: 10_000 };
/** So many addresses must guess at their limit before others have to wait. */
const IN_ALL: Rate = { size: 200, every: 200 };
/** Remembered addresses; the one that failed the longest ago goes first. */
const MOST_ADDRESSES = 4_096;
/** Of those that showed a right token. */
const MOST_KNOWN = 256;

/** `uptime`: milliseconds that never jump. */
export function createGuessLimit(uptime: () => number): GuessLimit {
  const addresses = new Map<string, Bucket>();
  const known = new Set<string>();
  const all: Bucket = { left: IN_ALL.size, at: uptime() };

  const fill = (bucket: Bucket, { size, every }: Rate): Bucket => {
    const now = uptime();
    bucket.left = Math.min(size, bucket.left + (now - bucket.at) / every);
    bucket.at = now;
    return bucket;
  };
  const secondsLeft = (bucket: Bucket, rate: Rate): number =>
    Math.ceil((Math.max(0, 1 - fill(bucket, rate).left) * rate.every) / 1_000);

  return {
    wait(address) {
      const key = networkOf(address);
      const own = addresses.get(key);
      const ownWait = own === undefined ? 0 : secondsLeft(own, PER_ADDRESS);
      return known.has(key) ? ownWait : Math.max(ownWait, secondsLeft(all, IN_ALL));
    },
    noteFailure(address) {
      const key = networkOf(address);
      const own = addresses.get(key) ?? { left: PER_ADDRESS.size, at: uptime() };
      addresses.delete(key);
      addresses.set(key, own);
      fill(own, PER_ADDRESS).left -= 1;
      fill(all, IN_ALL).left -= 1;
      const [oldest] = addresses.keys();
      if (addresses.size > MOST_ADDRESSES && oldest !== undefined) addresses.delete(oldest);
    },
    noteSuccess(address) {
      const key = networkOf(address);
      known.delete(key);
      known.add(key);
      const [oldest] = known;
      if (known.size > MOST_KNOWN && oldest !== undefined) known.delete(oldest);
    },
  };
}

/** An IPv6 host has 2^64 addresses of its network to guess from (RFC 4291): they count as one. */
function networkOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address;
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : 8 - front.length - back.length;
  return [...front, ...Array.from({ length: gap }, () => '0'), ...back].slice(0, 4).join(':');
}
