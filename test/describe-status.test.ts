import t from 'tap';
import { describeStatus } from '../src/describe-status.ts';

const NOW = 10_000_000_000;
const base = { mode: 'proxy', interfaces: ['enp0s8'], missing: [], now: NOW } as const;

t.test('machines are counted by how far they came', async (t) => {
  const at = { updatedAt: NOW - 1000 };
  const sessions = [
    at,
    at,
    { ...at, end: 'ready' as const },
    { ...at, end: 'booted' as const },
    { ...at, failedAt: NOW - 2000 },
    { ...at, waitingSince: NOW - 2000 },
    { ...at, end: 'handed-over' as const },
    { updatedAt: NOW - 86_400_000 },
  ];
  t.equal(
    describeStatus({ ...base, sessions }),
    'proxy on enp0s8: 2 machines booting, 1 waiting for approval, 1 failed, 1 booted, 1 ready',
  );
});

t.test('what there is none of is not said, but for the two that are looked for', async (t) => {
  t.equal(
    describeStatus({ ...base, mode: 'off', interfaces: ['a', 'b'], sessions: [{ updatedAt: NOW }] }),
    'without DHCP on a, b: 1 machine booting, 0 ready',
  );
});

t.test('an interface that is not there is told apart', async (t) => {
  t.equal(
    describeStatus({ ...base, interfaces: ['a', 'b'], missing: ['b'], sessions: [] }),
    'proxy on a, b (missing, or without an address): 0 machines booting, 0 ready',
  );
});
