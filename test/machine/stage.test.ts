import t from 'tap';
import { laterStage, STAGES, stageReached } from '../../src/machine/stage.ts';

t.test('a session never goes back: the later stage wins in either order', async (t) => {
  for (const [i, a] of STAGES.entries()) {
    for (const [j, b] of STAGES.entries()) {
      t.equal(laterStage(a, b), STAGES[Math.max(i, j)]);
      t.equal(stageReached(a, b), i >= j);
    }
  }
});

t.test('the stages are those of the design, in its order', async (t) => {
  t.same(STAGES, [
    'discovered',
    'offered',
    'firmware',
    'script',
    'kernel',
    'initrd',
    'config',
    'booted',
    'ready',
  ]);
});
