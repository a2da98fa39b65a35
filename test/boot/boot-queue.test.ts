import fc from 'fast-check';
import t from 'tap';
import {
  type BootQueue,
  createBootQueue,
  GRACE_TIME,
  LOST_TIME,
  type QueueVerdict,
  SILENT_TIME,
  TRANSFER_TIME,
} from '../../src/boot/boot-queue.ts';
import { type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';

const SECOND = 1_000;
const FILES = ['/assets/vmlinuz', '/assets/initrd'];
const limits = { places: 1, waiting: 100, waitingPerAddress: 100 };
const ask = (queue: BootQueue, key: string, now: number): QueueVerdict =>
  queue.ask({ key, files: FILES }, now);

/** Loads both files. */
function load(queue: BootQueue, key: string, from: number, to: number): void {
  for (const path of FILES) {
    queue.begin(key, from);
    queue.end(key, to, { path, whole: true });
  }
}

t.test('a boot keeps its place until its last file is whole, and the oldest that waits is the next', (t) => {
  const queue = createBootQueue(limits);
  t.match(ask(queue, 'a', 0), { kind: 'go', isNew: true, waited: 0 });
  t.match(ask(queue, 'b', 1), { kind: 'wait', position: 1, of: 1, estimate: undefined, isNews: true });
  t.match(ask(queue, 'c', 2), { kind: 'wait', position: 2, of: 2 });
  queue.begin('a', 3);
  queue.end('a', 10 * SECOND, { path: '/assets/vmlinuz', whole: true });
  t.match(ask(queue, 'b', 10 * SECOND), { kind: 'wait' }, 'the kernel is not all');
  queue.begin('a', 11 * SECOND);
  t.match(ask(queue, 'b', 90 * SECOND), { kind: 'wait' }, 'a download may take as long as it wants');
  queue.end('a', 100 * SECOND, { path: '/assets/initrd', whole: true });
  t.match(ask(queue, 'c', 100 * SECOND), { kind: 'wait', position: 2, estimate: 100 * SECOND });
  t.match(ask(queue, 'b', 101 * SECOND), { kind: 'go', isNew: true, waited: 101 * SECOND - 1 });
  t.match(ask(queue, 'b', 102 * SECOND), { kind: 'go', isNew: false }, 'it asks again, and has its place');
  t.end();
});

const releases: readonly { readonly what: string; readonly act: (queue: BootQueue) => number }[] = [
  { what: 'is silent after its script', act: () => SILENT_TIME },
  {
    what: 'breaks off a download and does not come back',
    act(queue) {
      queue.begin('a', 0);
      queue.end('a', 5 * SECOND, { path: '/assets/vmlinuz', whole: false });
      return 5 * SECOND + SILENT_TIME;
    },
  },
  {
    what: 'is forgotten',
    act(queue) {
      queue.leave('a');
      return SECOND;
    },
  },
];
for (const { what, act } of releases) {
  t.test(`a boot that ${what} loses its place`, (t) => {
    const queue = createBootQueue(limits);
    ask(queue, 'a', 0);
    ask(queue, 'b', 0);
    const at = act(queue);
    if (at > SECOND) t.match(ask(queue, 'b', at - SECOND), { kind: 'wait' }, 'not before');
    t.match(ask(queue, 'b', at), { kind: 'go' });
    t.end();
  });
}

t.test('who is late holds up nobody, has its turn if it comes back, and is lost after a while', (t) => {
  const queue = createBootQueue(limits);
  ask(queue, 'a', 0);
  const first = ask(queue, 'late', 0);
  t.equal(first.kind, 'wait');
  const due = first.kind === 'wait' ? first.seconds * SECOND : 0;
  ask(queue, 'b', 1);
  load(queue, 'a', 1, 2);
  t.match(ask(queue, 'b', due + GRACE_TIME), { kind: 'wait', position: 2 }, 'it may still come');
  t.match(ask(queue, 'b', due + GRACE_TIME + 1), { kind: 'go' });
  t.equal(queue.positionOf('late', due + GRACE_TIME + 1), 1);
  load(queue, 'b', due, due + 20 * SECOND);
  t.match(ask(queue, 'c', due + 21 * SECOND), { kind: 'go' });
  t.match(ask(queue, 'd', due + 22 * SECOND), { kind: 'wait', position: 2 });
  t.match(ask(queue, 'late', due + 23 * SECOND), { kind: 'wait', position: 1 }, 'the place it had');
  queue.begin('c', due + 23 * SECOND);
  t.equal(queue.counts(due + 60 * SECOND).waiting, 2);
  t.equal(queue.counts(due + 60 * SECOND + LOST_TIME).waiting, 0);
  t.equal(queue.positionOf('late', due + 61 * SECOND + LOST_TIME), undefined);
  t.end();
});

t.test('who does not come back is said to wait no more, although nobody else asks', (t) => {
  const queue = createBootQueue(limits);
  ask(queue, 'a', 0);
  queue.begin('a', 0);
  ask(queue, 'off', 0);
  t.equal(queue.positionOf('off', SECOND), 1);
  t.equal(queue.positionOf('off', LOST_TIME + 60 * SECOND), undefined);
  t.end();
});

t.test('a machine that goes round in circles gives up its place to those who wait, and only then', (t) => {
  const queue = createBootQueue(limits);
  let now = 0;
  // Its kernel comes, and its initrd is not there.
  const round = (): QueueVerdict => {
    const told = ask(queue, 'a', now);
    // GRUB asks for the length first.
    ask(queue, 'a', now);
    queue.begin('a', now);
    queue.end('a', now + SECOND, { path: FILES[0] ?? '', whole: true });
    now += 20 * SECOND;
    return told;
  };
  for (let rounds = 0; rounds < 10; rounds++) t.match(round(), { kind: 'go' }, 'nobody waits');
  t.match(ask(queue, 'b', now), { kind: 'wait' });
  t.match(ask(queue, 'a', now), { kind: 'wait', position: 2 });
  t.match(ask(queue, 'b', now + SECOND), { kind: 'go' });
  now += 2 * SECOND;
  for (let rounds = 0; rounds < 3; rounds++, now += 20 * SECOND)
    t.match(ask(queue, 'b', now), { kind: 'go', isNew: false }, 'it may begin anew');
  t.end();
});

t.test('a transfer by TFTP whose end is taken for another machine keeps its place for a while only', (t) => {
  const queue = createBootQueue(limits);
  ask(queue, 'a', 0);
  queue.beginTransfer('a', 0);
  t.match(ask(queue, 'b', SILENT_TIME + SECOND), { kind: 'wait' }, 'it may still run');
  queue.endTransfer('b', SILENT_TIME + SECOND, { path: FILES[0] ?? '', whole: true });
  t.match(ask(queue, 'b', TRANSFER_TIME - SECOND), { kind: 'wait' });
  t.match(ask(queue, 'b', TRANSFER_TIME), { kind: 'go' });
  for (const path of FILES) {
    queue.beginTransfer('b', TRANSFER_TIME);
    queue.endTransfer('b', TRANSFER_TIME, { path, whole: true });
  }
  t.equal(queue.hasPlace('b'), false);
  t.end();
});

t.test('behind one address are half of the places, as long as others wait for them', (t) => {
  const [many, other] = [parseIpv4('10.0.0.9'), parseIpv4('10.0.0.8')];
  if (many === undefined || other === undefined) return t.fail('no address');
  const queue = createBootQueue({ places: 4, waiting: 100, waitingPerAddress: 100 });
  const from = (key: string, address: Ipv4, more = {}) =>
    queue.ask({ key, files: FILES, address, ...more }, 0);
  for (const key of ['a', 'b', 'c', 'd']) t.match(from(key, many), { kind: 'go' }, 'nobody else wants them');
  for (const key of ['e', 'f', 'g']) t.match(from(key, many), { kind: 'wait' });
  t.match(from('x', other), { kind: 'wait', position: 4 });
  load(queue, 'a', 0, 0);
  t.match(from('e', many), { kind: 'wait' }, 'three of four places are behind its address');
  t.match(from('x', other), { kind: 'go' });
  t.match(from('c', many, { files: [], underWay: true }), { kind: 'go', isNew: false });
  t.match(from('a', many, { files: [], underWay: true }), { kind: 'wait' }, 'nor by what had its turn');
  load(queue, 'b', 0, 0);
  t.match(from('e', many), { kind: 'go' }, 'nobody else waits');
  t.end();
});

t.test('an operator moves a machine up, the newest wish first', (t) => {
  const queue = createBootQueue(limits);
  for (const key of ['a', 'b', 'c', 'd', 'e']) ask(queue, key, 0);
  t.equal(queue.moveUp('d'), true);
  t.equal(queue.moveUp('c'), true);
  t.strictSame(
    queue.waiters(0, 3).map(({ key }) => key),
    ['c', 'd', 'b'],
  );
  t.match(ask(queue, 'd', 1), { kind: 'wait', position: 2 });
  t.equal(queue.moveUp('a'), false, 'it has a place');
  t.equal(queue.moveUp('x'), false, 'it never asked');
  load(queue, 'a', 1, 2);
  t.match(ask(queue, 'd', 3), { kind: 'wait' });
  t.match(ask(queue, 'c', 3), { kind: 'go' });
  t.end();
});

t.test('its timeline hears of a machine when it is half as far from its turn, and now and then', (t) => {
  const queue = createBootQueue(limits);
  const keys = Array.from({ length: 9 }, (_, index) => `m${index}`);
  for (const key of keys) ask(queue, key, 0);
  const news: number[] = [];
  for (const [index, key] of keys.slice(0, -1).entries()) {
    load(queue, key, index, index);
    ask(queue, keys[index + 1] ?? '', index);
    const told = ask(queue, 'm8', index);
    if (told.kind === 'wait' && told.isNews) news.push(told.position);
  }
  t.strictSame(news, [4, 2, 1]);
  queue.begin('m8', 9);
  t.match(ask(queue, 'x', 10), { isNews: true });
  t.match(ask(queue, 'x', 60 * SECOND), { isNews: false });
  for (let now = 120; now < 600; now += 60) ask(queue, 'x', now * SECOND);
  t.match(ask(queue, 'x', 10 + 600 * SECOND), { isNews: true });
  t.end();
});

t.test('a boot that had its turn goes on at once, and who comes anew waits for both', (t) => {
  const queue = createBootQueue(limits);
  ask(queue, 'a', 0);
  t.match(queue.ask({ key: 'b', files: [], underWay: true }, 0), { kind: 'go', waited: 0 });
  queue.begin('b', 0);
  load(queue, 'a', 0, 1);
  t.match(ask(queue, 'c', 2), { kind: 'wait' });
  queue.end('b', 3, { path: '/assets/rootfs.img', whole: true });
  t.match(ask(queue, 'c', 4), { kind: 'go' });
  t.end();
});

t.test('so many wait in all and behind one address; the others are told to come back later', (t) => {
  const address = parseIpv4('10.0.0.9');
  const queue = createBootQueue({ places: 1, waiting: 3, waitingPerAddress: 2 });
  const from = (key: string, at = address) =>
    queue.ask({ key, files: FILES, ...(at === undefined ? {} : { address: at }) }, 0);
  t.match(from('a'), { kind: 'go' });
  t.equal(address === undefined ? undefined : queue.placeAt(address), 'a');
  t.match(from('b'), { kind: 'wait' });
  t.match(from('c'), { kind: 'wait' });
  t.match(from('d'), { kind: 'full', of: 2 });
  t.match(from('e', parseIpv4('10.0.0.8')), { kind: 'wait' });
  const full = from('f', parseIpv4('10.0.0.7'));
  t.match(full, { kind: 'full', of: 3 });
  t.ok(full.kind === 'full' && full.seconds >= 60);
  queue.leave('b');
  t.match(from('d'), { kind: 'wait' }, 'one went');
  t.end();
});

t.test('whoever asks in time is never told to come all at once, and none for long', (t) => {
  for (const count of [3, 100, 5_000]) {
    const queue = createBootQueue({ ...limits, waiting: 10_000 });
    const seconds = Array.from({ length: count }, (_, index) => ask(queue, `m${index}`, 0)).flatMap((told) =>
      told.kind === 'wait' ? [told.seconds] : [],
    );
    t.ok(new Set(seconds).size > 1, `${count}: ${seconds.slice(0, 5).join(' ')}`);
    t.ok(Math.min(...seconds) >= 2);
    t.ok(Math.max(...seconds) <= Math.max(20, count / 100 + 3));
  }
  t.end();
});

t.test('who is near its turn asks soon, however many wait behind it', (t) => {
  const queue = createBootQueue({ ...limits, waiting: 10_000 });
  for (let index = 0; index < 5_000; index++) ask(queue, `m${index}`, 0);
  load(queue, 'm0', 0, 2 * SECOND);
  const soon = ask(queue, 'm2', 3 * SECOND);
  t.ok(soon.kind === 'wait' && soon.seconds <= 6, JSON.stringify(soon));
  const far = ask(queue, 'm4000', 3 * SECOND);
  t.ok(far.kind === 'wait' && far.seconds >= 49, JSON.stringify(far));
  t.end();
});

/** What may happen, with a key of few, so that it happens to the same machines again and again. */
const step = fc.record({
  act: fc.constantFrom('ask', 'ask', 'ask', 'load', 'break', 'leave', 'moveUp', 'underWay'),
  key: fc.integer({ min: 0, max: 11 }).map((number) => `m${number}`),
  after: fc.oneof(fc.integer({ min: 0, max: 3_000 }), fc.integer({ min: 0, max: 200_000 })),
});

t.test('whatever machines do, no more than the limit are let in, and none is lost or passed by', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.array(step, { maxLength: 120 }), (places, steps) => {
      const queue = createBootQueue({ places, waiting: 8, waitingPerAddress: 8 });
      /** Who waits, as they came, with when they are to be back. */
      let line: { key: string; due: number }[] = [];
      const anew = new Map<string, number>();
      let now = 0;
      for (const { act, key, after } of steps) {
        now += after;
        const holding = queue.counts(now).holding;
        const had = queue.hasPlace(key);
        const shown = queue.waiters(now, 99).map((waiter) => waiter.key);
        // The queue has thrown out those that are lost, and nobody else.
        const lost = line.filter((each) => !shown.includes(each.key));
        if (lost.some(({ due }) => now < due + LOST_TIME)) return false;
        line = line.filter((each) => shown.includes(each.key));
        if (line.map((each) => each.key).join() !== shown.join()) return false;
        switch (act) {
          case 'underWay':
            if (queue.ask({ key, files: [], underWay: true }, now).kind !== 'go') return false;
            line = line.filter((each) => each.key !== key);
            break;
          case 'load':
            load(queue, key, now, now);
            if (queue.hasPlace(key)) return false;
            break;
          case 'break':
            queue.begin(key, now);
            queue.end(key, now, { path: FILES[0] ?? '', whole: false });
            if (queue.hasPlace(key) !== had) return false;
            break;
          case 'leave':
            queue.leave(key);
            line = line.filter((each) => each.key !== key);
            break;
          case 'moveUp': {
            const moved = line.filter((each) => each.key === key);
            if (queue.moveUp(key) !== moved.length > 0) return false;
            line = [...moved, ...line.filter((each) => each.key !== key)];
            break;
          }
          default: {
            const told = ask(queue, key, now);
            if (had && told.kind !== 'go') {
              // It began anew too often, and others wait.
              if (line.length === 0 || (anew.get(key) ?? 0) < 3) return false;
            } else if (had) anew.set(key, (anew.get(key) ?? 0) + 1);
            else anew.delete(key);
            const gaveUp = had && told.kind !== 'go' ? 1 : 0;
            const index = line.findIndex((each) => each.key === key);
            const before = line.slice(0, index === -1 ? line.length : index);
            const present = before.filter(({ due }) => now <= due + GRACE_TIME).length;
            if (told.kind === 'go') {
              if (!had && holding + present >= places) return false;
              line = line.filter((each) => each.key !== key);
            } else {
              // It waits for a reason only.
              if (holding - gaveUp + present < places) return false;
              if (told.kind === 'full') {
                if (index !== -1 || line.length < 8) return false;
                break;
              }
              if (told.position !== before.length + 1) return false;
              const waits = { key, due: now + told.seconds * SECOND };
              if (index === -1) line = [...line, waits];
              else line = line.map((each) => (each.key === key ? waits : each));
            }
          }
        }
      }
      return queue.counts(now).waiting <= 8;
    }),
    { numRuns: 2_000 },
  );
  t.end();
});

t.test('nobody starves: as long as places are given back, each that asks in time gets one', (t) => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 40 }), (places, machines) => {
      const queue = createBootQueue({ places, waiting: 100, waitingPerAddress: 100 });
      const due = new Map(Array.from({ length: machines }, (_, index) => [`m${index}`, index]));
      const order: string[] = [];
      for (let now = 0; due.size > 0 && now < 3_600_000; now += 500) {
        for (const [key, at] of due) {
          if (now < at) continue;
          const told = ask(queue, key, now);
          if (told.kind === 'wait') due.set(key, now + told.seconds * SECOND);
          else {
            order.push(key);
            due.delete(key);
            load(queue, key, now, now + 2 * SECOND);
          }
        }
      }
      return due.size === 0 && new Set(order).size === machines;
    }),
    { numRuns: 100 },
  );
  t.end();
});
