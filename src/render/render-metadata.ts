import type { ParameterValue } from '../machine/role.ts';

/** Lines at most; values of lists are left out, as matchbox leaves them out. */
const MAX_LINES = 1_000;

/**
 * matchbox's `/metadata`: `KEY=value` a line, names in capitals, what is nested under the names above it
 * (`{ etcd: { name: a } }` is `ETCD_NAME=a`). In the order of the map. What cannot stand in one line is left out.
 */
export function renderMetadata(values: Readonly<Record<string, ParameterValue>>): string {
  const lines: string[] = [];
  const add = (prefix: string, map: Readonly<Record<string, ParameterValue>>): void => {
    for (const [name, value] of Object.entries(map)) {
      if (lines.length >= MAX_LINES) return;
      const whole = `${prefix}${name}`;
      if (typeof value === 'object') {
        if (value !== null && !Array.isArray(value)) {
          add(`${whole}_`, value as Readonly<Record<string, ParameterValue>>);
        }
        continue;
      }
      const line = `${whole.toUpperCase()}=${String(value)}`;
      if (!/[\p{Cc}\u2028\u2029]/u.test(line)) lines.push(line);
    }
  };
  add('', values);
  return lines.map((line) => `${line}\n`).join('');
}
