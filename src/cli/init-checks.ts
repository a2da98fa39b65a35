import { parseDuration } from '../document/parse-units.ts';
import { type Ipv4, parseIpv4, parseNetwork, parseRange } from '../machine/ipv4.ts';

/** What is wrong with an answer, or undefined. What depends on other answers is checked with the whole file. */
type Check = (answer: string) => string | undefined;

/** Several are separated by commas or blanks. */
export function splitList(text: string): readonly string[] {
  return text.split(/[\s,]+/).filter((part) => part !== '');
}

export function addressesOf(text: string): readonly Ipv4[] {
  return splitList(text).flatMap((part) => parseIpv4(part) ?? []);
}

/** Blanks may stand around the hyphen. */
export function rangesOf(text: string) {
  return splitList(text.replaceAll(/\s*-\s*/g, '-')).flatMap((part) => parseRange(part) ?? []);
}

export const isAddresses: Check = (answer) => {
  const wrong = splitList(answer).find((part) => parseIpv4(part) === undefined);
  return wrong === undefined ? undefined : `${wrong} is no IPv4 address`;
};

export const isRanges: Check = (answer) => {
  const parts = splitList(answer.replaceAll(/\s*-\s*/g, '-'));
  const wrong = parts.find((part) => parseRange(part) === undefined);
  if (parts.length === 0) return 'it must be given';
  return wrong === undefined ? undefined : `${wrong} is no range such as 10.77.0.100-10.77.0.200`;
};

export const isNetwork: Check = (answer) =>
  parseNetwork(answer) === undefined ? `${answer} is no network such as 10.2.0.0/16` : undefined;

export const isLeaseTime: Check = (answer) => {
  const seconds = parseDuration(answer);
  return seconds === undefined || seconds < 60
    ? 'a time such as 30m, 1h or 1d, a minute at least'
    : undefined;
};

export function isOneOf(words: readonly string[]): Check {
  return (answer) => (words.includes(answer) ? undefined : `one of: ${words.join(', ')}`);
}

export const isAnything: Check = () => undefined;
