import t from 'tap';
import {
  createLoginSessions,
  MOST_AGE,
  MOST_IDLE,
  MOST_SESSIONS,
} from '../../../src/admin/access/login-sessions.ts';

t.test('a session ends after it was idle, and after a week whatever happens', (t) => {
  let now = 0;
  const sessions = createLoginSessions({ uptime: () => now });
  const idle = sessions.open();
  const busy = sessions.open();
  now += MOST_IDLE - 1;
  t.ok(sessions.find(busy));
  now += 1;
  t.equal(sessions.find(idle), undefined);
  while (now < MOST_AGE - MOST_IDLE) {
    t.ok(sessions.find(busy));
    now += MOST_IDLE - 1;
  }
  t.ok(sessions.find(busy));
  now = MOST_AGE;
  t.equal(sessions.find(busy), undefined);
  t.end();
});

t.test('a stream keeps a session from being idle, and ends with it', (t) => {
  let now = 0;
  const sessions = createLoginSessions({ uptime: () => now });
  const watching = sessions.open();
  let ended = 0;
  sessions.find(watching)?.whenEnded(() => ended++);
  const left = sessions.find(watching)?.whenEnded(() => t.fail('it was taken back'));
  left?.();
  now = 2 * MOST_IDLE;
  sessions.sweep();
  t.equal(ended, 0);
  now = MOST_AGE;
  sessions.sweep();
  t.equal(ended, 1);
  t.end();
});

t.test('no more sessions than the bound: the one unused for the longest ends', (t) => {
  const sessions = createLoginSessions({ uptime: () => 0 });
  const first = sessions.open();
  const second = sessions.open();
  for (let count = 2; count < MOST_SESSIONS; count++) sessions.open();
  t.ok(sessions.find(first), 'used now');
  sessions.open();
  t.ok(sessions.find(first));
  t.equal(sessions.find(second), undefined);
  t.end();
});

t.test('closing one or all ends what hangs on them; each has a CSRF token of its own', (t) => {
  const sessions = createLoginSessions({ uptime: () => 0 });
  const [one, other] = [sessions.open(), sessions.open()];
  t.not(sessions.find(one)?.csrfToken, sessions.find(other)?.csrfToken);
  t.not(sessions.find(one)?.csrfToken, one);
  const ended: string[] = [];
  const open = sessions.find(one);
  open?.whenEnded(() => ended.push('one'));
  sessions.find(other)?.whenEnded(() => ended.push('other'));
  sessions.whenAllEnd(() => ended.push('bearer'));
  sessions.close(one);
  open?.whenEnded(() => ended.push('late'));
  t.same(ended, ['one', 'late']);
  sessions.closeAll();
  t.same(ended, ['one', 'late', 'other', 'bearer']);
  t.equal(sessions.find(other), undefined);
  t.equal(sessions.find('made up'), undefined);
  t.end();
});
