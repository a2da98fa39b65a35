import t from 'tap';
import { type PlanInput, planBoot } from '../../src/boot/plan-boot.ts';
import type { MachineEntry } from '../../src/machine/role.ts';
import { ip, makeCatalog } from '../support/make-environment.ts';
import { MAC } from '../support/make-request.ts';
import { makeRole } from '../support/make-role.ts';

const roles = new Map([['worker', makeRole('worker', { image: 'stable' })]]);
const entry: MachineEntry = {
  mac: MAC,
  role: 'worker',
  hostname: 'edge-9',
  address: ip('10.77.0.20'),
  parameters: { image: 'beta' },
  line: 2,
};

function plan(
  entries: readonly MachineEntry[],
  rest: Partial<PlanInput> = {},
  defaultRole: string | null = 'worker',
) {
  const catalog = makeCatalog(entries, { roles, defaultRole });
  return planBoot({ facts: { mac: MAC }, catalog, admission: 'open', isTaken: () => false, ...rest });
}

t.test('a listed machine boots as its entry says', async (t) => {
  t.match(plan([entry]), {
    kind: 'boot',
    role: { name: 'worker' },
    hostname: 'edge-9',
    address: entry.address,
    parameters: { image: 'beta' },
    reasons: ['admission: open', /gives 52:54:00:12:34:56 the role worker/],
  });
});

t.test('any other boots the default under a name of its own', async (t) => {
  const planned = plan([], { isTaken: (name) => name === 'node-123456' });
  t.match(planned, { kind: 'boot', hostname: 'node-00123456', parameters: { image: 'stable' } });
  t.notOk('address' in planned, 'no reservation');
});

t.test('a name that the operator gave is not taken away because another machine has it', async (t) => {
  t.match(plan([entry], { isTaken: () => true }), { hostname: 'edge-9' });
});

t.test('who does not boot is told what the operator can do, and the reasons are kept', async (t) => {
  const rows: [ReturnType<typeof plan>, string, RegExp, RegExp][] = [
    [
      plan([], { admission: 'approve' }),
      'wait',
      /waits for approval: tinderbox assign 52:54/,
      /admission: approve/,
    ],
    [
      plan([], { admission: 'listed' }),
      'refuse',
      /not listed in machines\.yaml: tinderbox assign/,
      /admission: listed/,
    ],
    [plan([], {}, null), 'refuse', /has no role: tinderbox assign 52:54:00:12:34:56 ROLE/, /default: none/],
  ];
  for (const [planned, kind, message, reason] of rows) {
    t.match(planned, { kind, message });
    t.match(planned.reasons.join('; '), reason);
  }
});

t.test('an entry without a role is enough to be admitted', async (t) => {
  const { role: _role, ...bare } = entry;
  for (const admission of ['approve', 'listed'] as const) {
    t.match(plan([bare], { admission }), { kind: 'boot', role: { name: 'worker' }, hostname: 'edge-9' });
  }
});
