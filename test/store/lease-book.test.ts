import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { TinderboxError } from '../../src/errors.ts';
import { type Ipv4, type Ipv4Range, parseIpv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { createLeaseBook } from '../../src/store/lease-book.ts';
import type { Lease } from '../../src/store/port.ts';

const HOUR = 3_600_000;
const first = parseIpv4('10.77.0.100') as Ipv4;
const a = first;
const b = (first + 1) as Ipv4;
const alice = '52:54:00:00:00:0a' as Mac;
const bob = '52:54:00:00:00:0b' as Mac;

function rangeOf(size: number): Ipv4Range {
  return { first, last: (first + size - 1) as Ipv4 };
}

/** Networks with a prefix of 24. */
function isSameNetwork(one: Ipv4, other: Ipv4): boolean {
  return one >>> 8 === other >>> 8;
}

function none(): boolean {
  return false;
}

/** A disk whose commits end when the test says so. */
function createDisk() {
  const rows = new Map<Ipv4, Lease>();
  const waiting: { readonly leases: readonly Lease[]; readonly done: PromiseWithResolvers<void> }[] = [];
  let commits = 0;
  let holding = false;
  return {
    rows,
    commits: () => commits,
    hold: () => {
      holding = true;
    },
    async commitLeases(leases: readonly Lease[]): Promise<void> {
      commits++;
      if (holding) {
        const done = Promise.withResolvers<void>();
        waiting.push({ leases, done });
        await done.promise;
      }
      for (const lease of leases) rows.set(lease.address, lease);
    },
    waiting: () => waiting.length,
    writeAll: () => {
      for (const { leases } of waiting) for (const lease of leases) rows.set(lease.address, lease);
    },
    async succeed(): Promise<void> {
      waiting.shift()?.done.resolve();
      await setImmediate();
    },
    async fail(): Promise<void> {
      waiting.shift()?.done.reject(new TinderboxError('unavailable', 'the disk is full'));
      await setImmediate();
    },
  };
}

function setUp(leases: readonly Lease[] = []) {
  const disk = createDisk();
  const time = { now: 1_000_000 };
  const book = createLeaseBook({ store: disk, leases, clock: () => time.now, isSameNetwork });
  function lease(address: Ipv4, mac: Mac, more: Partial<Lease> = {}): Lease {
    return { address, mac, state: 'bound', expiresAt: time.now + HOUR, via: 'eth0', ...more };
  }
  return { disk, time, book, lease };
}

void t.test('an offer holds an address until it ends, in memory only', async (t) => {
  const { book, time, disk } = setUp();
  book.offer(a, alice, time.now + 100);
  t.same(book.holderOf(a), { mac: alice, state: 'offered', until: time.now + 100 });
  t.same(book.offerOf(alice), { address: a, until: time.now + 100 });
  t.throws(() => book.offer(a, bob, time.now + 100), { code: 'in-use' });
  t.equal(disk.commits(), 0);
  time.now += 100;
  t.equal(book.holderOf(a), undefined);
  t.equal(book.offerOf(alice), undefined);
  book.offer(a, bob, time.now + 100);
  t.equal(book.holderOf(a)?.mac, bob);
});

void t.test('a machine holds one offer: the next replaces it', async (t) => {
  const { book, time } = setUp();
  book.offer(a, alice, time.now + 100);
  book.offer(b, alice, time.now + 100);
  t.equal(book.holderOf(a), undefined);
  t.same(book.offerOf(alice)?.address, b);
  t.same(book.counts(), { bound: 0, offered: 1, declined: 0 });
});

void t.test('a lease is bound when it is on disk, not before', async (t) => {
  const { book, disk, time, lease } = setUp();
  disk.hold();
  book.offer(a, alice, time.now + 100);
  const bound = book.bind(lease(a, alice));
  t.equal(book.leaseOf(alice), undefined);
  t.equal(book.holderOf(a)?.state, 'offered');
  await disk.succeed();
  await bound;
  t.same(book.leaseOf(alice), lease(a, alice));
  t.same(book.holderOf(a), { mac: alice, state: 'bound', until: time.now + HOUR });
  t.same(disk.rows.get(a), lease(a, alice));
  t.equal(book.offerOf(alice), undefined, 'the offer was taken');
  t.same(book.counts(), { bound: 1, offered: 0, declined: 0 });
});

void t.test('a lease that could not be written leaves everything as before', async (t) => {
  const { book, disk, time, lease } = setUp([
    { address: b, mac: alice, state: 'bound', expiresAt: 2_000_000, via: 'eth0' },
  ]);
  disk.hold();
  book.offer(a, alice, time.now + 100);
  const bound = book.bind(lease(a, alice));
  const refused = t.rejects(bound, { code: 'unavailable' });
  await disk.fail();
  await refused;
  t.equal(book.leaseOf(alice)?.address, b);
  t.equal(book.holderOf(a)?.state, 'offered');
  t.equal(book.holderOf(b)?.state, 'bound');
  const again = book.bind(lease(a, alice));
  await disk.succeed();
  await again;
  t.equal(book.leaseOf(alice)?.address, a);
});

void t.test('while an address is being written nobody else gets it', async (t) => {
  const { book, disk, time, lease } = setUp();
  disk.hold();
  book.offer(a, alice, time.now + 100);
  const bound = book.bind(lease(a, alice));
  time.now += 1_000;
  t.equal(book.holderOf(a)?.mac, alice, 'although the offer is over');
  await t.rejects(book.bind(lease(a, bob)), { code: 'in-use', message: /10\.77\.0\.100/ });
  t.throws(() => book.offer(a, bob, time.now + 100), { code: 'in-use' });
  t.equal(book.freeAddress([rangeOf(1)], none, time.now, a), undefined);
  t.equal(disk.waiting(), 1, 'the refused one was never written');
  const refused = t.rejects(bound);
  await disk.fail();
  await refused;
  t.equal(book.freeAddress([rangeOf(1)], none, time.now), a, 'free again after the failure');
});

void t.test('what holds an address refuses another machine', async (t) => {
  const { book, time, lease } = setUp();
  await book.bind(lease(a, alice));
  await t.rejects(book.bind(lease(a, bob)), { code: 'in-use' });
  await book.decline(a, alice, time.now + 50);
  await t.rejects(book.bind(lease(a, alice)), { code: 'in-use' }, 'a declined address rests for everyone');
  time.now += 50;
  await book.bind(lease(a, bob));
  t.equal(book.leaseOf(alice), undefined);
  time.now += HOUR;
  t.equal(book.leaseOf(bob)?.address, a, 'it may have run out');
  await book.bind(lease(a, alice));
  t.equal(book.leaseOf(bob), undefined);
});

void t.test('requests of one machine are written one after the other', async (t) => {
  const { book, disk, lease } = setUp();
  disk.hold();
  const asked = [book.bind(lease(a, alice)), book.bind(lease(b, alice)), book.release(alice, b)];
  for (let turn = 1; turn <= 3; turn++) {
    t.equal(disk.waiting(), 1);
    await disk.succeed();
  }
  await Promise.all(asked);
  t.equal(book.holderOf(a), undefined, 'replaced by the second');
  t.equal(book.holderOf(b), undefined, 'released');
  t.equal(disk.rows.get(a)?.state, 'released');
  t.equal(disk.rows.get(b)?.state, 'released');
});

void t.test('a machine that asks faster than leases are written is told so', async (t) => {
  const { book, disk, lease } = setUp();
  disk.hold();
  const asked = Array.from({ length: 100 }, () =>
    book.bind(lease(a, alice)).then(
      () => 'bound',
      (error) => error.code,
    ),
  );
  for (let turn = 0; turn < 20; turn++) await disk.succeed();
  const results = await Promise.all(asked);
  t.same(new Set(results), new Set(['bound', 'in-use']));
  t.ok(disk.commits() < 20);
});

void t.test('a new lease gives back the one before it in the same network, in the same commit', async (t) => {
  const { book, disk, lease } = setUp();
  const elsewhere = (a + 256) as Ipv4;
  const here = (address: Ipv4) => isSameNetwork(address, a);
  const there = (address: Ipv4) => isSameNetwork(address, elsewhere);
  await book.bind(lease(a, alice));
  await book.bind(lease(elsewhere, alice));
  t.equal(book.leaseOf(alice, here)?.address, a, 'another network of the interface changes nothing');
  t.equal(book.leaseOf(alice, there)?.address, elsewhere);
  t.equal(book.leaseOf(alice, none), undefined);
  const c = (first + 2) as Ipv4;
  const commits = disk.commits();
  await book.bind(lease(c, alice));
  t.equal(disk.commits(), commits + 1);
  t.equal(book.holderOf(a), undefined);
  t.equal(book.holderOf(elsewhere)?.mac, alice);
  t.equal(book.leaseOf(alice, here)?.address, c);
});

void t.test('a machine is offered one address a network', async (t) => {
  const { book, time, lease } = setUp();
  const elsewhere = (a + 256) as Ipv4;
  const until = time.now + 100;
  const here = (address: Ipv4) => isSameNetwork(address, a);
  book.offer(a, alice, until);
  book.offer(elsewhere, alice, until);
  t.same(book.offerOf(alice, here), { address: a, until });
  t.same(
    book.offerOf(alice, (address) => !here(address)),
    { address: elsewhere, until },
  );
  book.offer(b, alice, until);
  t.equal(book.holderOf(a), undefined, 'the next one in the same network replaces it');
  t.same(book.offerOf(alice, here), { address: b, until });
  t.equal(book.holderOf(elsewhere)?.mac, alice);
  await book.bind(lease(b, alice));
  t.same(book.offerOf(alice), { address: elsewhere, until }, 'what it takes in one leaves the other');
  t.same(book.counts(), { bound: 1, offered: 1, declined: 0 });
  t.equal([...book.held()].length, 2, 'each of them is held');
});

void t.test('release and decline are for the one whose address it is', async (t) => {
  const { book, disk, time, lease } = setUp();
  await book.bind(lease(a, alice));
  book.offer(b, bob, time.now + 100);
  const commits = disk.commits();
  await book.release(bob, a);
  await book.decline(a, bob, time.now + HOUR);
  await book.decline(b, alice, time.now + HOUR);
  await book.release(alice, (first + 9) as Ipv4);
  t.equal(disk.commits(), commits);
  t.equal(book.holderOf(a)?.mac, alice);
  await book.decline(b, bob, time.now + HOUR);
  t.same(book.holderOf(b), { mac: bob, state: 'declined', until: time.now + HOUR });
  t.equal(book.offerOf(bob), undefined);
  t.equal(book.leaseOf(bob), undefined);
  t.same(book.counts(), { bound: 1, offered: 0, declined: 1 });
  t.equal([...book.held()].length, 2);
});

void t.test('addresses are given in order: preferred, never used, free for the longest', async (t) => {
  const { book, time, lease } = setUp();
  const ranges = [rangeOf(3)];
  const c = (first + 2) as Ipv4;
  t.equal(book.freeAddress(ranges, none, time.now, c), c);
  t.equal(book.freeAddress(ranges, none, time.now, (first + 3) as Ipv4), a, 'the preferred one is outside');
  t.equal(
    book.freeAddress(ranges, (address) => address === a, time.now, a),
    b,
    'the preferred one is excluded',
  );
  t.equal(book.freeAddress(ranges, none, time.now), b, 'one that was excluded is tried last');
  await book.bind(lease(a, alice, { expiresAt: time.now + 300 }));
  await book.bind(lease(b, bob, { expiresAt: time.now + 100 }));
  await book.bind(lease(c, '52:54:00:00:00:0c' as Mac, { expiresAt: time.now + 200 }));
  t.equal(book.freeAddress(ranges, none, time.now, a), undefined, 'exhausted');
  time.now += 1_000;
  t.equal(book.freeAddress(ranges, none, time.now), b, 'ran out first');
  book.offer(b, alice, time.now + 10);
  t.equal(book.freeAddress(ranges, none, time.now), c, 'ran out second');
  time.now += 10;
  t.equal(book.freeAddress(ranges, none, time.now), c, 'an offer that ended counts from its end');
  t.equal(
    book.freeAddress(ranges, (address) => address === c, time.now),
    a,
  );
});

void t.test(
  'a released address comes back before one still bound, after those free for longer',
  async (t) => {
    const { book, time, lease } = setUp();
    const ranges = [rangeOf(2)];
    await book.bind(lease(a, alice));
    await book.bind(lease(b, bob));
    t.equal(book.freeAddress(ranges, none, time.now), undefined);
    await book.release(bob, b);
    t.equal(book.freeAddress(ranges, none, time.now), b);
  },
);

void t.test('a reservation that is taken out of machines.yaml frees its address', async (t) => {
  const { book, time } = setUp();
  const reserved = new Set<Ipv4>(Array.from({ length: 2_000 }, (_, index) => (first + index) as Ipv4));
  const ranges = [rangeOf(2_000)];
  const excluded = (address: Ipv4): boolean => reserved.has(address);
  t.equal(book.freeAddress(ranges, excluded, time.now), undefined);
  reserved.delete((first + 1_234) as Ipv4);
  let found: Ipv4 | undefined;
  for (let asked = 0; asked < 2_000 / 256 + 1; asked++)
    found ??= book.freeAddress(ranges, excluded, time.now);
  t.equal(found, first + 1_234);
});

void t.test('a nearly full /16 stays cheap', async (t) => {
  const size = 65_536;
  let looked = 0;
  const leases = Array.from({ length: size - 1 }, (_, index): Lease => {
    const mac =
      `02:00:00:${((index >> 16) & 255).toString(16).padStart(2, '0')}:${((index >> 8) & 255).toString(16).padStart(2, '0')}:${(index & 255).toString(16).padStart(2, '0')}` as Mac;
    return {
      address: (first + index) as Ipv4,
      mac,
      state: 'bound',
      expiresAt: 5_000_000 + index,
      via: 'eth0',
    };
  });
  const { book, time } = setUp(leases);
  const count = (): boolean => {
    looked++;
    return false;
  };
  for (let asked = 0; asked < 10_000; asked++) book.freeAddress([rangeOf(size)], count, time.now);
  t.equal(looked, 10_000, 'one address is looked at each time');
  book.offer((first + size - 1) as Ipv4, alice, time.now + 1_000_000);
  for (let asked = 0; asked < 10_000; asked++) book.freeAddress([rangeOf(size)], count, time.now);
  t.equal(looked, 10_000, 'and none in an exhausted pool');
});

/**
 * The model: who was last told, by a bind that resolved, that an address is its own, and until when. Whatever is
 * asked in whatever order, and wherever the process dies, no two machines may be told of one address at one time.
 */
type Step =
  | {
      readonly do: 'discover' | 'request' | 'release' | 'decline';
      readonly who: number;
      readonly address: number;
    }
  | { readonly do: 'disk'; readonly works: boolean }
  | { readonly do: 'wait'; readonly time: number }
  | { readonly do: 'crash'; readonly written: boolean };

const POOL = 4;
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'discover' as const,
        'request' as const,
        'request' as const,
        'release' as const,
        'decline' as const,
      ),
      who: fc.nat(5),
      address: fc.nat(POOL - 1),
    }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('disk' as const), works: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), time: fc.nat(150) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('crash' as const), written: fc.boolean() }) },
);

void t.test('no address is ever given to two machines at a time, also across a crash', async (t) => {
  let given = 0;
  let crashes = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(anyStep, { minLength: 10, maxLength: 80 }), async (steps) => {
      const time = { now: 1_000 };
      let failure: unknown;
      // A client takes the answer to its latest request only (RFC 2131: they carry its xid).
      const latest = new Map<Mac, symbol>();
      const told = new Map<Ipv4, { mac: Mac; until: number }>();
      let disk = createDisk();
      disk.hold();
      let book = createLeaseBook({ store: disk, leases: [], clock: () => time.now, isSameNetwork });

      for (const step of steps) {
        switch (step.do) {
          case 'discover': {
            const mac = `52:54:00:00:00:0${step.who}` as Mac;
            const address = book.freeAddress([rangeOf(POOL)], none, time.now, (first + step.address) as Ipv4);
            if (address === undefined) break;
            if (book.holderOf(address) !== undefined) throw new Error('a held address was called free');
            const owner = told.get(address);
            if (owner !== undefined && owner.until > time.now)
              throw new Error('an address in use was called free');
            book.offer(address, mac, time.now + 50);
            break;
          }
          case 'request': {
            const mac = `52:54:00:00:00:0${step.who}` as Mac;
            const address = (first + step.address) as Ipv4;
            const lease: Lease = { address, mac, state: 'bound', expiresAt: time.now + 100, via: 'eth0' };
            const instance = book;
            // Who asks for another address has left the one it had (RFC 2131 section 4.4: it starts over).
            for (const [other, holder] of told)
              if (holder.mac === mac && other !== address) told.delete(other);
            const xid = Symbol(mac);
            latest.set(mac, xid);
            async function request(): Promise<void> {
              try {
                await instance.bind(lease);
              } catch {
                return;
              }
              // What a dead process would have said is said to nobody.
              if (instance !== book) return;
              const owner = told.get(address);
              if (owner !== undefined && owner.mac !== mac && owner.until > time.now) {
                failure ??= new Error(`${address} belongs to ${owner.mac} and was given to ${mac}`);
              }
              given++;
              if (latest.get(mac) === xid) told.set(address, { mac, until: lease.expiresAt });
            }
            void request();
            break;
          }
          case 'release':
          case 'decline': {
            const mac = `52:54:00:00:00:0${step.who}` as Mac;
            const address = (first + step.address) as Ipv4;
            // It has given the address up, whatever becomes of the message.
            latest.delete(mac);
            if (told.get(address)?.mac === mac) told.delete(address);
            const done =
              step.do === 'release' ? book.release(mac, address) : book.decline(address, mac, time.now + 80);
            void done.catch(() => undefined);
            break;
          }
          case 'disk':
            await (step.works ? disk.succeed() : disk.fail());
            break;
          case 'wait':
            time.now += step.time;
            break;
          case 'crash': {
            crashes++;
            // The process may die between the disk's answer and its own.
            if (step.written) disk.writeAll();
            const survived = [...disk.rows.values()];
            disk = createDisk();
            disk.hold();
            for (const lease of survived) disk.rows.set(lease.address, lease);
            book = createLeaseBook({ store: disk, leases: survived, clock: () => time.now, isSameNetwork });
            break;
          }
        }
        for (const [address, owner] of told) {
          if (owner.until <= time.now) continue;
          const holder = book.holderOf(address);
          if (holder?.mac !== owner.mac)
            throw new Error(`${address} was given to ${owner.mac} and is held by ${holder?.mac}`);
        }
        if (failure !== undefined) throw failure;
      }
      while (disk.waiting() > 0) await disk.succeed();
    }),
    { numRuns: 3_000 },
  );
  t.ok(given > 1_000, `${given} addresses were given`);
  t.ok(crashes > 1_000, `${crashes} crashes`);
});

const DAY = 24 * HOUR;

for (const [way, step] of [
  ['forward', 365 * DAY],
  ['back', -DAY],
] as const) {
  void t.test(`when the clock is set ${way}, leases keep the time that they had left`, async (t) => {
    const disk = createDisk();
    const time = { now: 1_700_000_000_000, up: 0 };
    const jumps: number[] = [];
    const bound = (address: Ipv4, mac: Mac): Lease => ({
      address,
      mac,
      state: 'bound',
      expiresAt: time.now + HOUR,
      via: 'eth0',
    });
    const carol = '52:54:00:00:00:0c' as Mac;
    const c = (first + 2) as Ipv4;
    const pass = (ms: number): void => {
      time.now += ms;
      time.up += ms;
    };
    const book = createLeaseBook({
      store: disk,
      leases: [bound(a, alice), { ...bound(c, carol), state: 'released', expiresAt: time.now - HOUR }],
      clock: () => time.now,
      uptime: () => time.up,
      isSameNetwork,
      clockJumped: (ms) => void jumps.push(ms),
    });
    book.offer(b, bob, time.now + 60_000);
    time.now += step;
    t.match(book.holderOf(a), { mac: alice, until: time.now + HOUR });
    t.match(book.holderOf(b), { mac: bob, until: time.now + 60_000 });
    t.equal(book.freeAddress([rangeOf(2)], none, time.now), undefined, 'nobody else gets what is in use');
    t.equal(book.freeAddress([rangeOf(3)], none, time.now), c, 'what was free is');
    t.same(jumps, [step], 'told once');
    await setImmediate();
    t.match(disk.rows.get(a), { mac: alice, expiresAt: time.now + HOUR }, 'nor after a restart');
    t.equal(disk.rows.get(c), undefined, 'what is over needs no writing');
    pass(HOUR - 1);
    t.equal(book.holderOf(a)?.mac, alice);
    pass(1);
    t.equal(book.holderOf(a), undefined, 'and an hour is an hour');
  });
}

void t.test(
  'what was being written as the clock was set is not written over, and moves as well',
  async (t) => {
    const disk = createDisk();
    const time = { now: 1_700_000_000_000, up: 0 };
    const book = createLeaseBook({
      store: disk,
      leases: [{ address: a, mac: alice, state: 'bound', expiresAt: time.now - 1, via: 'eth0' }],
      clock: () => time.now,
      uptime: () => time.up,
      isSameNetwork,
    });
    disk.hold();
    const binding = book.bind({
      address: a,
      mac: bob,
      state: 'bound',
      expiresAt: time.now + HOUR,
      via: 'eth0',
    });
    time.now += DAY;
    t.equal(book.holderOf(a)?.mac, bob);
    await disk.succeed();
    await binding;
    await disk.succeed();
    t.match(disk.rows.get(a), { mac: bob });
    t.match(book.holderOf(a), { mac: bob, state: 'bound', until: time.now + HOUR });
  },
);

void t.test(
  'a lease that a wrong clock made to last for years has its longest time, once that is set',
  async (t) => {
    const disk = createDisk();
    // The host started without a clock, in 1970: what is on disk seems to last for decades.
    const time = { now: 1_000_000, up: 0 };
    const today = 1_700_000_000_000;
    const book = createLeaseBook({
      store: disk,
      leases: [{ address: a, mac: alice, state: 'bound', expiresAt: today + HOUR, via: 'eth0' }],
      clock: () => time.now,
      uptime: () => time.up,
      isSameNetwork,
      longest: 30 * DAY,
    });
    time.now = today;
    t.match(book.holderOf(a), { mac: alice, until: today + 30 * DAY });
  },
);
