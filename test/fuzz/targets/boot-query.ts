import { isLabelValue, LABEL_NAME } from '../../../src/boot/read-labels.ts';
import { parseBootQuery } from '../../../src/http/parse-boot-query.ts';
import { bytesOf } from '../engine/mutate-text.ts';
import { type FuzzTarget, hold } from '../engine/target.ts';
import { QUERY_MUTATORS, QUERY_SEEDS, queryOf } from '../formats/boot-queries.ts';
import { isPrintable } from '../formats/printable.ts';

export const target: FuzzTarget = {
  what: 'the query of /ipxe: what a machine says of itself, its labels and its hardware',
  aims: [
    'http/parse-boot-query.ts',
    'boot/read-labels.ts',
    'boot/ipxe-hardware.ts',
    'boot/read-hardware.ts',
    'document/printable.ts',
  ],
  maxLength: 4_096,
  seeds: () => QUERY_SEEDS.map(bytesOf),
  mutators: QUERY_MUTATORS,
  dictionary: [
    '&',
    '=',
    '%00',
    '%0a',
    '%e2%80%ae',
    'mac=',
    'region=',
    'hardware=',
    'secureboot=',
    'ram-wide=',
  ],
  run(input) {
    const query = parseBootQuery(queryOf(input), 1_000);
    if (query.kind === 'bad') {
      hold(
        isPrintable(query.message) && query.message.length < 300,
        () => `message ${JSON.stringify(query.message)}`,
      );
      return;
    }
    const { facts, notes, choice, hardware } = query;
    hold(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(facts.mac), () => `mac ${facts.mac}`);
    for (const name of ['serial', 'asset', 'manufacturer', 'product', 'uuid'] as const) {
      const value = facts[name];
      hold(
        value === undefined || (value !== '' && value.length <= 256 && isPrintable(value)),
        () => `${name} ${JSON.stringify(value)}`,
      );
    }
    for (const note of notes)
      hold(isPrintable(note) && note.length < 400, () => `note ${JSON.stringify(note)}`);
    hold(notes.length <= 12, () => `${notes.length} notes`);
    hold(choice === undefined || /^[a-z0-9-]+$/.test(choice), () => `choice ${JSON.stringify(choice)}`);
    const labels = Object.entries(facts.labels ?? {});
    hold(labels.length <= 16, () => `${labels.length} labels`);
    for (const [name, value] of labels) {
      hold(LABEL_NAME.test(name) && isLabelValue(value), () => `label ${name}=${JSON.stringify(value)}`);
      hold(
        !/["'`$;&|<>(){}\s\\#*?!%^[\]]/.test(value) && !value.startsWith('-'),
        () => `a label means something: ${value}`,
      );
    }
    const text = JSON.stringify(hardware ?? {});
    hold(text.length <= 16 * 1024, () => `hardware of ${text.length} characters`);
    for (const value of textsIn(hardware))
      hold(isPrintable(value) && value.length <= 96, () => `hardware says ${JSON.stringify(value)}`);
  },
};

function textsIn(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : [];
}
