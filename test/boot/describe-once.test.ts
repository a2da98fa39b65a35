import t from 'tap';
import { describeOnce } from '../../src/boot/describe-once.ts';

t.test('a `once:` is said in one line, with what comes after it', async (t) => {
  const rows: [Omit<Parameters<typeof describeOnce>[0], 'role'>, string][] = [
    [{ state: 'next', tries: 0, standing: 'local' }, 'at its next boot, then local'],
    [
      { state: 'next', tries: 2, standing: 'local' },
      'at its next boot again, after 2 without success, then local',
    ],
    [{ state: 'underWay', tries: 1, standing: 'local' }, 'boot 1, under way, then local'],
    [{ state: 'used', tries: 1, usedAt: 7, standing: 'local' }, 'used at 7, back to local'],
    [{ state: 'used', tries: 1, usedAt: 7 }, 'used at 7, back to no role'],
    [{ state: 'spent', tries: 3, standing: 'local' }, 'it waits: 3 boots without success'],
    [{ state: 'spent', tries: 0, isUnknown: true }, 'it waits: whether it was used is not known'],
  ];
  for (const [once, said] of rows)
    t.equal(
      describeOnce({ role: 'install', ...once }, (at) => `at ${at}`),
      `once: install (${said})`,
    );
});
