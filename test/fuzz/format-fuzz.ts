import type { Progress } from './engine/run-fuzz.ts';

const grouped = new Intl.NumberFormat('en-US');
export const formatCount = (value: number): string => grouped.format(Math.round(value));

/** `dhcp-server       412,334 executions  34,120/s  corpus 214  blocks 812 of 903  last new at 398,112`. */
export function formatProgress(
  name: string,
  { executions, corpus, covered, known, lastNew }: Progress,
  seconds: number,
): string {
  const rate = seconds > 0 ? executions / seconds : 0;
  return [
    name.padEnd(18),
    `${formatCount(executions).padStart(11)} executions`,
    `${formatCount(rate).padStart(7)}/s`,
    `corpus ${String(corpus).padStart(4)}`,
    `blocks ${covered} of ${known}`,
    `last new at ${formatCount(lastNew)}`,
  ].join('  ');
}
