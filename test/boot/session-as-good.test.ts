import t from 'tap';
import { isAsGood } from '../../src/boot/session-as-good.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';

const session: BootSession = {
  id: 7,
  mac: '52:54:00:00:00:01' as Mac,
  openedAt: 1_000,
  updatedAt: 2_000,
  stage: 'script',
  stageTimes: { discovered: 1_000, script: 2_000 },
  scriptAt: 2_000,
  role: 'worker',
  hostname: 'node-1',
  registration: { role: 'worker', nodeName: 'node-1', marks: 'abc' },
};

void t.test('what passes with every packet makes no difference', async (t) => {
  t.ok(isAsGood(session, session));
  t.ok(isAsGood(session, { ...session, updatedAt: 9_000, scriptAt: 9_000 }));
  t.ok(isAsGood(session, { ...session, stageTimes: {} }));
  t.ok(
    isAsGood(session, { ...session, registration: { role: 'worker', nodeName: 'node-1', marks: 'abc' } }),
    'the same, put together anew',
  );
});

void t.test('what decides what the machine is given does', async (t) => {
  const others: readonly Partial<BootSession>[] = [
    { id: 8 },
    { stage: 'config' },
    { role: 'controller' },
    { hostname: 'node-2' },
    { end: 'superseded', endedAt: 3_000 },
    { registration: { role: 'worker', nodeName: 'node-1', marks: 'def' } },
    { scriptAt: 2_000 + 60_000 },
    { failedAt: 3_000 },
  ];
  for (const other of others) t.notOk(isAsGood(session, { ...session, ...other }), JSON.stringify(other));
  const { role: _role, ...without } = session;
  t.notOk(isAsGood(session, without));
  t.notOk(isAsGood(without, session));
  t.notOk(isAsGood(undefined, session));
});
