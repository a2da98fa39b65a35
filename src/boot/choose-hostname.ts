import type { Mac } from '../machine/mac.ts';

/**
 * The hostname of a machine that was given none: `node-` and the last six digits of its MAC, two digits more while
 * another machine has that name. The role is not part of it, since a role changes and a Node's name must not.
 */
export function chooseHostname(mac: Mac, isTaken: (hostname: string) => boolean): string {
  const digits = mac.replaceAll(':', '');
  for (let count = 6; count < digits.length; count += 2) {
    const hostname = `node-${digits.slice(-count)}`;
    if (!isTaken(hostname)) return hostname;
  }
  return `node-${digits}`;
}
