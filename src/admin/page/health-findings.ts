import type { StatusView } from '../api.ts';
import { fillOf } from './health-model.ts';

/** Something that an operator should look at. */
export interface HealthFinding {
  readonly tone: 'bad' | 'warn';
  readonly what: string;
  readonly remedy: string | undefined;
}

const DAY = 86_400_000;
const SOON_DAYS = 30;

/** What of the daemon's state wants attention, the worst first; none: all is well. `now`: ms since the epoch. */
export function healthFindings(status: StatusView, now: number): readonly HealthFinding[] {
  const {
    interfaces,
    catalog,
    otherDhcpServers,
    mode,
    history,
    leases,
    database,
    certificates = [],
    mirrors = [],
    pullThrough,
  } = status;
  const findings: HealthFinding[] = [];
  const say = (tone: HealthFinding['tone'], what: string, remedy?: string): void =>
    void findings.push({ tone, what, remedy });
  for (const { name, state, reason } of interfaces) {
    if (state === 'serving') continue;
    const what = state === 'waiting' ? 'nothing is served' : 'only a part is served';
    say(state === 'waiting' ? 'bad' : 'warn', `${name}: ${what}${reason === undefined ? '' : `: ${reason}`}`);
  }
  if (catalog.problems.some(({ severity }) => severity === 'error')) {
    say('bad', 'The files of profiles/ are broken: the last good catalog is in force.', 'Roles says where.');
  }
  for (const { name, notAfter } of certificates) {
    const days = Math.floor((notAfter - now) / DAY);
    if (days >= SOON_DAYS) continue;
    const when = days < 0 ? 'has expired' : `expires in ${days} ${days === 1 ? 'day' : 'days'}`;
    say(
      days < 0 ? 'bad' : 'warn',
      `The ${name} authority ${when}.`,
      'sudo tinderbox ca rotate-plan says how to replace it.',
    );
  }
  if (mode === 'server') {
    for (const { interface: name, address } of otherDhcpServers) {
      say(
        'warn',
        `Another DHCP server, ${address}, answers on ${name}: machines may get an address from it.`,
        'Switch it off there, or set dhcp.mode to proxy.',
      );
    }
  }
  for (const { url, place, state, reason = '' } of mirrors) {
    if (state !== 'down') continue;
    say('warn', `The mirror ${url} (${place}) does not answer: ${reason}`, 'Its machines fetch from here.');
  }
  if (pullThrough?.upstream === 'down') {
    say(
      'warn',
      `What is not here cannot be fetched from ${pullThrough.from}: ${pullThrough.reason ?? ''}`,
      'What is held is served.',
    );
  }
  if (leases.pool !== undefined && fillOf(leases.bound + leases.declined, leases.pool).tone !== 'good') {
    say('warn', `${leases.bound} of ${leases.pool} addresses are given out.`, 'Widen dhcp.range.');
  }
  if (history.used > history.maxSize) {
    say(
      'warn',
      'The database is at its bound: the oldest history goes.',
      'Raise history.maxSize to keep more.',
    );
  }
  for (const file of database.setAside) {
    say(
      'warn',
      `A damaged database was set aside: ${file}.`,
      'History began anew. Delete the file when it is of no use.',
    );
  }
  return findings.toSorted((a, b) => Number(a.tone === 'warn') - Number(b.tone === 'warn'));
}
