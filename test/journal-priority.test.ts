import { closeSync, fstatSync, openSync } from 'node:fs';
import t from 'tap';
import { forJournal, isJournal, priorityOfLevel } from '../src/journal-priority.ts';

t.test('levels become syslog priorities', async (t) => {
  t.strictSame([10, 20, 30, 40, 50, 60].map(priorityOfLevel), [7, 7, 6, 4, 3, 2]);
});

t.test('each line of a text gets the priority, since each becomes an entry', async (t) => {
  t.equal(forJournal('one\n  two\n', 3), '<3>one\n<3>  two\n');
  t.equal(forJournal('', 3), '');
});

t.test('a descriptor is the journal if it is the stream that systemd names', async (t) => {
  const fd = openSync('/dev/null', 'r');
  const { dev, ino } = fstatSync(fd, { bigint: true });
  t.equal(isJournal(fd, `${dev}:${ino}`), true);
  t.equal(isJournal(fd, `${dev}:${ino + 1n}`), false, 'output went elsewhere');
  t.equal(isJournal(fd, undefined), false);
  closeSync(fd);
  t.equal(isJournal(fd, `${dev}:${ino}`), false, 'closed');
});
