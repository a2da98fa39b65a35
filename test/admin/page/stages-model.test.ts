import t from 'tap';
import { stageRows } from '../../../src/admin/page/stages-model.ts';

const open = {
  openedAt: 0,
  updatedAt: 60_000,
  stage: 'kernel',
  stageTimes: { offered: 0, script: 30_000, kernel: 60_000 },
} as const;

const names = (session: Parameters<typeof stageRows>[0]) => stageRows(session, 1).map(({ stage }) => stage);

t.test('a boot under way shows what it reached as bars, and what lies before it', (t) => {
  const rows = stageRows({ ...open, lastStage: 'booted' }, 120_000);
  t.same(
    rows.map(({ stage, reached, took, x, width }) => [stage, reached, took, x, width]),
    [
      ['offered', true, 0, 0, 0.6],
      ['script', true, 30_000, 0, 25],
      ['kernel', true, 30_000, 25, 25],
      ['initrd', false, undefined, 100, 0],
      ['config', false, undefined, 100, 0],
      ['booted', false, undefined, 100, 0],
    ],
    'no Node is waited for',
  );
  t.end();
});

t.test('what a boot that is over left out is not shown as still to come', (t) => {
  t.same(names({ ...open, end: 'superseded', endedAt: 70_000 }), ['offered', 'script', 'kernel']);
  t.same(names({ ...open, end: 'handed-over', endedAt: 70_000 }), ['offered', 'script', 'kernel']);
  t.end();
});

t.test('bars stay within their track, whatever a clock did', (t) => {
  const wild = { ...open, stageTimes: { offered: -5_000, script: 9e12, kernel: 1 } };
  for (const { x, width } of stageRows(wild, 0)) {
    t.ok(x >= 0 && width >= 0 && x + width <= 100.01, `${x} ${width}`);
  }
  t.end();
});
