/** What is said of a `once:`: OnceChoice, and what the machine is without it. */
interface Told {
  readonly role: string;
  readonly state: 'next' | 'underWay' | 'used' | 'spent';
  readonly tries: number;
  readonly usedAt?: number;
  readonly isUnknown?: true;
  readonly standing?: string;
}

/** `once: debian-install (used 12:03, back to local)`, for lists. `time` writes a time of day. */
export function describeOnce(once: Told, time: (at: number) => string): string {
  return `once: ${once.role} (${describeOnceState(once, time)})`;
}

/** `used 12:03, back to local`, where its role stands beside it. */
export function describeOnceState(
  { state, tries, usedAt = 0, isUnknown, standing = 'no role' }: Told,
  time: (at: number) => string,
): string {
  switch (state) {
    case 'next':
      return `${tries === 0 ? 'at its next boot' : `at its next boot again, after ${tries} without success`}, then ${standing}`;
    case 'underWay':
      return `boot ${tries}, under way, then ${standing}`;
    case 'used':
      return `used ${time(usedAt)}, back to ${standing}`;
    case 'spent':
      return isUnknown === true
        ? 'it waits: whether it was used is not known'
        : `it waits: ${tries} boots without success`;
    default:
      return state satisfies never;
  }
}
