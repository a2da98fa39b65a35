import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Mac } from '../../src/machine/mac.ts';
import { createAdmissionBook } from '../../src/store/admission-book.ts';
import type { AdmissionRecord } from '../../src/store/port.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

const alice = '52:54:00:00:00:0a' as Mac;
const bob = '52:54:00:00:00:0b' as Mac;

/** A disk whose writes end when the test says so. */
function setUp(admissions: readonly AdmissionRecord[] = []) {
  const writes: { what: string; done: PromiseWithResolvers<void> }[] = [];
  const write = (what: string): Promise<void> => {
    const done = Promise.withResolvers<void>();
    writes.push({ what, done });
    return done.promise;
  };
  const store = {
    putAdmission: ({ mac, rule, at }: AdmissionRecord) => write(`${mac} ${rule} ${at}`),
    dropAdmission: (mac: Mac) => write(`drop ${mac}`),
  };
  return { book: createAdmissionBook({ store, admissions, clock: () => 7 }), writes };
}

t.test('a place is taken at once, and is there for good when it is on disk', async (t) => {
  const { book, writes } = setUp([{ mac: bob, rule: 'r', at: 1 }]);
  t.equal(book.countOf('r'), 1, 'known from the start');
  const taken = book.take(alice, 'r');
  t.equal(book.countOf('r'), 2);
  t.equal(book.ruleOf(alice), 'r');
  let again = false;
  const second = book.take(alice, 'r').then(() => void (again = true));
  await Promise.resolve();
  t.equal(again, false, 'whoever asks twice waits for the disk as well');
  t.same(
    writes.map(({ what }) => what),
    [`${alice} r 7`],
    'it is written once',
  );
  writes[0]?.done.resolve();
  await Promise.all([taken, second]);
  await book.take(alice, 'r');
  t.equal(writes.length, 1);
});

t.test('a place that cannot be written is free again, and it is tried anew', async (t) => {
  const { book, writes } = setUp([{ mac: alice, rule: 'former', at: 1 }]);
  const failed = book.take(alice, 'r');
  t.equal(book.countOf('former'), 0, 'it has one place');
  writes[0]?.done.reject(new Error('disk full'));
  await t.rejects(failed, { message: 'disk full' });
  t.equal(book.countOf('r'), 0);
  t.equal(book.ruleOf(alice), 'former');
  const retried = book.take(alice, 'r');
  writes[1]?.done.resolve();
  await retried;
  t.equal(book.ruleOf(alice), 'r');
});

t.test('a place that is given back stays so, whatever becomes of the write before', async (t) => {
  const { book, writes } = setUp([{ mac: alice, rule: 'former', at: 1 }]);
  const taken = book.take(alice, 'r');
  const back = book.giveBack(alice);
  t.equal(book.countOf('r'), 0);
  writes[0]?.done.reject(new Error('disk full'));
  await t.rejects(taken);
  writes[1]?.done.resolve();
  t.equal(await back, true);
  t.equal(book.ruleOf(alice), undefined);
  const none = book.giveBack(alice);
  writes[2]?.done.resolve();
  t.equal(await none, false, 'written all the same: an earlier call may have failed');
});

t.test('places outlive the daemon, and machines that are forgotten do not have theirs', async (t) => {
  const base = mkdtempSync(join(tmpdir(), 'tinderbox-places-'));
  t.teardown(() => rmSync(base, { recursive: true }));
  const open = async () => {
    const store = await openStore({ file: join(base, 'state.db'), durability: 'disk' });
    const { admissions } = await store.load();
    return { store, book: createAdmissionBook({ store, admissions, clock: () => 7 }) };
  };
  const first = await open();
  await Promise.all([first.book.take(alice, 'r'), first.book.take(bob, 'r')]);
  await first.book.take(bob, 's');
  t.same(await first.store.listAdmissions(), [
    { mac: alice, rule: 'r', at: 7 },
    { mac: bob, rule: 's', at: 7 },
  ]);
  await first.store.close();
  const second = await open();
  t.same([second.book.countOf('r'), second.book.countOf('s')], [1, 1]);
  await second.book.giveBack(bob);
  await second.store.close();
  const third = await open();
  t.equal(third.book.ruleOf(bob), undefined);
  await third.store.close();
});
