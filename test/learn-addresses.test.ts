import t from 'tap';
import type { DhcpAction } from '../src/boot/dhcp-action.ts';
import { createAddressLearning, learningTime } from '../src/learn-addresses.ts';
import type { Ipv4 } from '../src/machine/ipv4.ts';
import type { Mac } from '../src/machine/mac.ts';
import type { AddressUser } from '../src/net/probe-address.ts';

const alice = '52:54:00:00:00:0a' as Mac;
const bob = '52:54:00:00:00:0b' as Mac;
const TIME = 1_000_000;

function offer(address: number): DhcpAction {
  return {
    kind: 'reply',
    type: 'offer',
    lease: { kind: 'offer', address: address as Ipv4 },
    reasons: ['why'],
  };
}
/** Bob has them all. */
function usersUpTo(last: number): Record<number, AddressUser> {
  return Object.fromEntries(Array.from({ length: last }, (_, index) => [index + 1, bob]));
}
function ack(address: number, unproven?: true): DhcpAction {
  const lease = {
    kind: 'bind',
    address: address as Ipv4,
    leaseTime: 60,
    ...(unproven && { unproven }),
  } as const;
  return { kind: 'reply', type: 'ack', lease, reasons: [] };
}

/** Addresses from 1 on, in order; who is on which. */
function start(
  users: Readonly<Record<number, AddressUser>> = {},
  known: readonly number[] = [],
  most = 1000,
) {
  const probed: number[] = [];
  let uptime = 0;
  const learning = createAddressLearning({
    probe: (address) => {
      if (probed.length >= most) return undefined;
      probed.push(address);
      return Promise.resolve(users[address]);
    },
    isKnown: (address) => known.includes(address),
    time: TIME,
    uptime: () => uptime,
  });
  const given = new Set<number>();
  // As the lease book does: what was passed over once is not come back to.
  let cursor = 1;
  const discover = async (mac: Mac): Promise<DhcpAction> => {
    const pick = (): DhcpAction => {
      const claim = learning.claimOf(mac);
      if (claim !== undefined && !given.has(claim)) return offer(claim);
      while (given.has(cursor) || learning.isAvoided(cursor as Ipv4, mac)) cursor++;
      return offer(cursor);
    };
    const action = await learning.settle(mac, pick);
    if (action.kind === 'reply' && action.lease !== undefined) given.add(action.lease.address);
    return action;
  };
  return { learning, probed, discover, pass: (ms: number) => void (uptime += ms) };
}

t.test('an address that somebody answers on is passed over', async (t) => {
  const { discover, probed } = start({ 1: bob, 2: 'somebody' });
  t.match(await discover(alice), {
    type: 'offer',
    lease: { address: 3 },
    reasons: ['why', /nobody answers/],
  });
  t.same(probed, [1, 2, 3]);
});

t.test('the address that a machine answers on itself is offered to it', async (t) => {
  const { discover } = start({ 1: alice });
  t.match(await discover(alice), { lease: { address: 1 }, reasons: ['why', /answers on it itself/] });
});

t.test('machines that ask at the same time are looked for different addresses', async (t) => {
  const { discover, probed } = start({ 2: 'somebody' });
  const macs = Array.from(
    { length: 20 },
    (_, index) => `52:54:00:00:01:${String(index).padStart(2, '0')}` as Mac,
  );
  const actions = await Promise.all(macs.map((mac) => discover(mac)));
  const addresses = actions.map((action) => (action.kind === 'reply' ? action.lease?.address : undefined));
  t.equal(new Set(addresses).size, 20);
  t.notOk(addresses.includes(2 as Ipv4) || addresses.includes(undefined));
  t.equal(new Set(probed).size, probed.length, 'each address once');
});

t.test('a newcomer passes over many machines that nobody remembers with one packet', async (t) => {
  const { discover, probed } = start(usersUpTo(30));
  t.match(await discover(alice), { lease: { address: 31 } });
  t.equal(probed.length, 31);
});

t.test('a packet that finds every try taken is not answered; the next one goes on from there', async (t) => {
  const { discover } = start(usersUpTo(31));
  t.match(await discover(alice), {
    kind: 'silent',
    outcome: 'refused',
    reasons: [/^31 address/, /ask again/],
  });
  t.match(await discover(alice), { lease: { address: 32 } });
});

t.test(
  'of several that are free a machine keeps one, and the next machine may have the others',
  async (t) => {
    const { discover, learning } = start({ 1: bob });
    t.match(await discover(alice), { lease: { address: 2 } });
    t.equal(learning.claimOf(alice), 2);
    t.ok(learning.isAvoided(2 as Ipv4, bob), 'until it has its offer');
    t.notOk(learning.isAvoided(3 as Ipv4, bob));
  },
);

t.test('a packet sent again while the first is being answered looks for nothing', async (t) => {
  const { discover, probed } = start();
  const [first, again] = await Promise.all([discover(alice), discover(alice)]);
  t.match(first, { lease: { address: 1 } });
  t.match(again, { kind: 'silent', reasons: [/former packet/] });
  t.same(probed, [1]);
});

t.test('where too many are asked about, a packet is not answered', async (t) => {
  const { discover } = start({}, [], 1);
  t.match(await discover(alice), { lease: { address: 1 } });
  t.match(await discover(bob), { kind: 'silent', reasons: [/^0 address/, /ask again/] });
});

t.test('what is known, renewed, or asked for when the time is over is not probed', async (t) => {
  const { learning, probed, discover, pass } = start({ 1: bob, 7: bob }, [1]);
  t.match(await discover(alice), { lease: { address: 1 } });
  t.match(await learning.settle(alice, () => ack(7)), { type: 'ack' });
  t.notOk(learning.isOver());
  pass(TIME);
  t.match(
    learning.settle(alice, () => offer(7)),
    { type: 'offer' },
  );
  t.ok(learning.isOver());
  t.same(probed, []);
});

t.test('a machine that asks for the address it had gets it, unless another one uses it', async (t) => {
  const { learning } = start({ 7: bob, 8: alice });
  t.match(await learning.settle(alice, () => ack(7, true)), {
    type: 'nak',
    message: '0.0.0.7 is used by 52:54:00:00:00:0b',
  });
  t.match(await learning.settle(alice, () => ack(8, true)), { type: 'ack' });
  t.match(await learning.settle(alice, () => ack(9, true)), { type: 'ack' });
});

t.test(
  'it goes on for the longest lease since the database was lost, and no longer by a wrong clock',
  (t) => {
    const dhcp = { probeAddresses: true, subnets: [{ leaseTime: 60 }, { leaseTime: 3600 }] } as never;
    for (const [since, now, time] of [
      [1_000, 1_000, 3_600_000],
      [1_000, 601_000, 3_000_000],
      [1_000, 9_000_000, 0],
      [99_000_000_000, 1_000, 3_600_000],
      [undefined, 1_000, 0],
    ] as const)
      t.equal(learningTime(dhcp, since, now), time);
    t.equal(learningTime({ probeAddresses: false, subnets: [{ leaseTime: 60 }] } as never, 1, 1), 0);
    t.end();
  },
);

t.test(
  "an address that could not be asked about is nobody's to give, and not taken from who has it",
  async (t) => {
    const { learning, discover, pass } = start({ 1: 'unknown' });
    t.match(await discover(alice), { type: 'offer', lease: { address: 2 } });
    t.match(await learning.settle(bob, () => ack(1, true)), {
      kind: 'silent',
      reasons: [/could not be asked/],
    });
    pass(10_000);
    t.notOk(learning.isAvoided(1 as Ipv4, bob), 'and soon it is asked about again');
  },
);
