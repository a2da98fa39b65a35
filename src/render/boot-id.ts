import type { Mac } from '../machine/mac.ts';

/**
 * Names one boot of one machine, for cloud-init's `instance-id`: `i-525400123456-17`, the MAC and the number of the
 * session. Another one with each session, since cloud-init configures an instance once; no secret, since every user of
 * the machine may read it there: of the session's token it is the number alone.
 */
export function bootIdOf(mac: Mac, sessionUrl: string): string {
  const token = sessionUrl.slice(sessionUrl.lastIndexOf('/') + 1);
  return bootIdFrom(mac, /^[a-z0-9]+/.exec(token)?.[0] ?? 'none');
}

/** The same of what is no boot session: an image's is made from what is on it. */
export function bootIdFrom(mac: Mac, suffix: string): string {
  return `i-${mac.replaceAll(':', '')}-${suffix}`;
}
