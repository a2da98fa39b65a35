import t from 'tap';
import { type ReleaseFacts, timeUntilRelease } from '../../src/boot/queue-estimate.ts';

const rows: readonly (ReleaseFacts & { readonly what: string; readonly expected: number | undefined })[] = [
  { what: 'nobody was done yet', places: 1, ages: [5], held: [], turn: 1, expected: undefined },
  { what: 'one place, half over', places: 1, ages: [30], held: [60], turn: 1, expected: 30 },
  { what: 'the one behind it', places: 1, ages: [30], held: [60], turn: 2, expected: 90 },
  { what: 'one that takes longer than usual', places: 1, ages: [90], held: [60], turn: 1, expected: 0 },
  { what: 'the mean of those of late', places: 1, ages: [0], held: [20, 40], turn: 1, expected: 30 },
  { what: 'the place that is free first', places: 3, ages: [10, 50, 30], held: [60], turn: 1, expected: 10 },
  { what: 'the last of three', places: 3, ages: [10, 50, 30], held: [60], turn: 3, expected: 50 },
  { what: 'the second round', places: 3, ages: [10, 50, 30], held: [60], turn: 4, expected: 70 },
  { what: 'a place that nobody took yet', places: 2, ages: [0], held: [60], turn: 1, expected: 0 },
  { what: 'two boots beyond the places', places: 1, ages: [0, 20, 40], held: [60], turn: 1, expected: 60 },
  { what: 'no place at all', places: 0, ages: [], held: [60], turn: 1, expected: undefined },
];

for (const { what, expected, ...facts } of rows) {
  t.test(`when a turn comes: ${what}`, (t) => {
    t.equal(timeUntilRelease(facts), expected);
    t.end();
  });
}
