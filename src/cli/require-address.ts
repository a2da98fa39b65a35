import { type Ipv4, parseIpv4 } from '../machine/ipv4.ts';
import { usageError } from './exit.ts';

/** Throws TinderboxError `usage` on what is no IPv4 address. */
export function requireAddress(text: string): Ipv4 {
  const address = parseIpv4(text);
  if (address !== undefined) return address;
  throw usageError(`'${text}' is not an IPv4 address`, 'Write it as 10.77.0.20.');
}
