import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import { type Canvas, drawFleet, stageBar } from '../../src/cli/draw-fleet.ts';
import type { FleetRow } from '../../src/cli/fleet-rows.ts';
import type { Mac } from '../../src/machine/mac.ts';

const NOW = 1_000_000_000;
const row = (number: number, rest: Partial<FleetRow> = {}): FleetRow => ({
  mac: `52:54:00:00:00:${number.toString(16).padStart(2, '0')}` as Mac,
  state: 'booting',
  stage: 'kernel',
  since: NOW - 65_000,
  hostname: `node-${number}`,
  role: 'worker',
  ...rest,
});
const canvas: Canvas = { columns: 120, lines: 24, color: false, unicode: true };
const draw = (rows: readonly FleetRow[], over: Partial<Canvas> = {}, more = {}): readonly string[] =>
  drawFleet({ rows, total: rows.length, filter: '', ...more }, { ...canvas, ...over }, NOW);

t.test('a row says who it is, how far it came, for how long, and what is wrong', async (t) => {
  const lines = draw([
    row(1, { state: 'stalled', note: 'no network driver' }),
    row(2, { state: 'ready', stage: 'ready' }),
  ]);
  t.equal(lines[0], '2 machines: 1 stalled, 1 ready');
  t.match(lines[2], /^MAC +HOSTNAME +ROLE +STATE +STAGE +AGE$/);
  t.match(
    lines[3],
    /^52:54:00:00:00:01 {2}node-1 {4}worker {2}stalled {2}█████░░░░ kernel {2}1m {3}no network driver$/,
  );
  t.match(lines[4], /█{9} ready/);
  t.equal(lines.at(-1), 'q quits');
});

t.test('what does not fit into the height is counted, and nothing exceeds the screen', async (t) => {
  const rows = Array.from({ length: 200 }, (_, index) => row(index));
  for (const lines of [1, 2, 3, 5, 10, 24, 60]) {
    for (const columns of [1, 10, 40, 80, 200]) {
      const drawn = draw(rows, { lines, columns });
      t.ok(drawn.length <= lines, `${drawn.length} lines of ${lines}`);
      t.ok(
        drawn.every((line) => line.length <= columns),
        `${columns} columns`,
      );
    }
  }
  t.equal(draw(rows)[22], '… and 181 more');
  t.match(draw(rows.slice(0, 20))[22], /^52:54:00:00:00:13/, 'what fits exactly is shown');
});

t.test('texts from machines cannot act on the terminal', async (t) => {
  const lines = draw([row(1, { hostname: 'a\x1b[2Jb\r\nc', note: '\x07\u202eevil'.repeat(90) })], {
    color: true,
  });
  const text = lines.map(stripVTControlCharacters).join('');
  // oxlint-disable-next-line no-control-regex
  t.notMatch(text, /[\u0000-\u001f\u202e]/);
  t.match(text, /a\[2Jbc/);
});

t.test(
  'a narrow screen leaves out names, one without Unicode draws in ASCII, colours are an option',
  async (t) => {
    t.notMatch(draw([row(1)], { columns: 60 }).join('\n'), /node-1|worker/);
    t.equal(stageBar('kernel', false), '#####----');
    const coloured = draw([row(1)], { color: true })[3];
    t.ok(coloured?.startsWith('\x1b[36m') && coloured.endsWith('\x1b[0m'));
    t.notOk(
      draw([row(1)])
        .join('')
        .includes('\x1b'),
    );
  },
);

t.test('trouble and filters are said', async (t) => {
  const lines = draw([row(1)], {}, { trouble: 'it is gone', filter: 'role worker', total: 7 });
  t.equal(lines[0], '1 of 7 machines (role worker): 1 booting');
  t.equal(lines[1], 'it is gone');
  t.match(draw([]).join('\n'), /no machine was seen yet/);
});
