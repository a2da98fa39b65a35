import type { AuthorityDescription, RotationPlan } from '../manage-authorities.ts';
import type { AdminAuthorityView } from '../show-admin-authority.ts';

const DAY = 24 * 60 * 60 * 1000;
const isoDay = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

/** Lines for people; ends with a new line. `now`: milliseconds since the epoch. */
export function formatAuthority(authority: AuthorityDescription, now: number): string {
  const left = Math.floor((authority.notAfter - now) / DAY);
  const rows = [
    ['subject', authority.subject],
    ...(authority.selfSigned ? [] : [['issuer', authority.issuer]]),
    ['key', authority.key],
    ['serial', authority.serial],
    ['SHA-256', authority.fingerprint],
    ['valid', `${isoDay(authority.notBefore)} to ${isoDay(authority.notAfter)} (${sayDays(left)})`],
    ...authority.alsoTrusted.map((other) => [
      other.relation === 'issuer' ? 'issued by' : 'also trusted',
      `${other.subject}, to ${isoDay(other.notAfter)}, ${other.fingerprint}`,
    ]),
  ];
  return `${authority.name}\n${rows.map(([name = '', text]) => `  ${name.padEnd(13)} ${text}\n`).join('')}`;
}

/** Lines for people; ends with a new line. */
export function formatAdminAuthority({ subject, fingerprint, notAfter }: AdminAuthorityView): string {
  return [
    `subject       ${subject}`,
    `SHA-256       ${fingerprint}`,
    `valid         to ${isoDay(notAfter)}`,
    'A browser trusts it with the file that --pem prints; --help says where to import it.',
    '',
  ].join('\n');
}

/** Lines for people; ends with a new line. */
export function formatPlan({ authority, expires, startBy, state, steps }: RotationPlan): string {
  const head = `${authority}: expires ${isoDay(expires)}, begin by ${isoDay(startBy)} (${STATES[state]})\n`;
  const lines = steps.map(({ what, command }, at) => {
    const run = command === undefined ? '' : `       $ ${command}\n`;
    return `  ${at + 1}. ${what}\n${run}`;
  });
  return `${head}${lines.join('')}`;
}

const STATES: Readonly<Record<RotationPlan['state'], string>> = {
  fine: 'nothing to do now',
  due: 'begin now',
  expired: 'it has expired: nothing accepts its certificates',
  'under-way': 'under way: another authority is trusted too',
};

function sayDays(left: number): string {
  if (left < 0) return 'expired';
  return left === 1 ? 'one day left' : `${left} days left`;
}
