import t from 'tap';
import { NO_PLACES } from '../../src/boot/admit-machine.ts';
import { type PlanInput, planBoot } from '../../src/boot/plan-boot.ts';
import { ruleKey } from '../../src/boot/rule-key.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { NO_USES } from '../../src/machine/once.ts';
import type { MachineEntry } from '../../src/machine/role.ts';
import { ip, makeCatalog } from '../support/make-environment.ts';
import { MAC } from '../support/make-request.ts';
import { makeRole } from '../support/make-role.ts';

const OTHER = '52:54:00:00:00:02' as Mac;
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
  return planBoot({
    facts: { mac: MAC },
    catalog,
    admission: 'open',
    places: NO_PLACES,
    uses: NO_USES,
    holderOf: () => undefined,
    ...rest,
  });
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
  const planned = plan([], { holderOf: (name) => (name === 'node-123456' ? OTHER : undefined) });
  t.match(planned, { kind: 'boot', hostname: 'node-00123456', parameters: { image: 'stable' } });
  t.notOk('address' in planned, 'no reservation');
});

t.test('a name made up for a machine is neither one that machines.yaml gives another', async (t) => {
  const other = { mac: OTHER, hostname: 'node-123456', parameters: {}, line: 3 };
  t.match(plan([other]), { hostname: 'node-00123456' });
  t.match(plan([], { holderOf: () => MAC }), { hostname: 'node-123456' }, 'its own is not taken');
});

t.test('of two machines that claim one hostname the second is refused, and both are named', async (t) => {
  const holderOf = (name: string) => (name === 'edge-9' ? OTHER : undefined);
  const other: MachineEntry = { mac: OTHER, parameters: {}, line: 9 };
  const refused = plan([entry], { holderOf });
  t.match(refused, {
    kind: 'refuse',
    holder: OTHER,
    message:
      'Two machines claim the hostname edge-9: 52:54:00:12:34:56, and 52:54:00:00:00:02, which last booted under it. ' +
      'Give 52:54:00:00:00:02 another hostname in machines.yaml, or: tinderbox forget 52:54:00:00:00:02',
  });
  t.match(
    refused.reasons.at(-1),
    /machines\.yaml:2 gives 52:54:00:12:34:56 .* 52:54:00:00:00:02 last booted/,
  );
  const rows: [string, ReturnType<typeof plan>, string][] = [
    ['the other has an entry without a hostname', plan([entry, other], { holderOf }), 'refuse'],
    [
      'the other was given another one since',
      plan([entry, { ...other, hostname: 'edge-1' }], { holderOf }),
      'boot',
    ],
    ['it had the name itself', plan([entry], { holderOf: () => MAC }), 'boot'],
    ['nobody has it', plan([entry]), 'boot'],
  ];
  for (const [name, planned, kind] of rows) {
    t.equal(planned.kind, kind, name);
    if (planned.kind === 'boot') t.equal(planned.hostname, 'edge-9', name);
  }
});

t.test('a role that holds makes every machine wait, also one that is admitted', async (t) => {
  const held = new Map([...roles, ['hold', { ...makeRole('hold'), boot: { kind: 'hold' } } as const]]);
  const catalogOf = (entries: readonly MachineEntry[]) =>
    makeCatalog(entries, { roles: held, defaultRole: 'hold' });
  const message = /waits.*: tinderbox approve 52:54:00:12:34:56 --role ROLE$/;
  for (const admission of ['open', 'approve'] as const) {
    t.match(plan([], { catalog: catalogOf([]), admission }), { kind: 'wait', message }, admission);
  }
  t.match(plan([], { catalog: catalogOf([{ ...entry, role: 'hold' }]), admission: 'listed' }), {
    kind: 'wait',
    message,
  });
  t.match(plan([], { catalog: catalogOf([entry]) }), { kind: 'boot', role: { name: 'worker' } });
});

t.test('whoever boots by a rule with max is given its place, and nobody else', async (t) => {
  const rule = { match: {}, role: 'worker', parameters: {}, line: 4, max: 1 };
  const catalog = makeCatalog([], { roles, rules: [rule] });
  const place = ruleKey(rule);
  t.match(plan([], { catalog, admission: 'approve' }), { kind: 'boot', place });
  t.notOk('place' in plan([entry], { admission: 'approve' }));
  const full = { ruleOf: () => undefined, countOf: () => 1 };
  const wait = plan([], { catalog, admission: 'approve', places: full });
  t.match(wait, { kind: 'wait', message: /waits for approval: tinderbox approve 52:54:00:12:34:56$/ });
  t.match(wait.reasons[0], /1 of 1/);
  t.match(plan([], { catalog, admission: 'listed', places: full }), { kind: 'refuse' });
  t.match(plan([], { catalog, admission: 'open', places: full }), { kind: 'wait' });
});

t.test('who does not boot is told what the operator can do, and the reasons are kept', async (t) => {
  const rows: [ReturnType<typeof plan>, string, RegExp, RegExp][] = [
    [
      plan([], { admission: 'approve' }),
      'wait',
      /waits for approval: tinderbox approve 52:54:00:12:34:56$/,
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

t.test('a `once:` boots with its name, and waits on its screen when it is spent', async (t) => {
  const listed = { ...entry, role: 'worker', once: 'worker' };
  t.match(plan([listed]), { kind: 'boot', once: 'worker' });
  const use = { mac: MAC, role: 'worker', since: 1, tries: 3 };
  const uses = (rest: object = {}) => ({ useOf: () => ({ ...use, ...rest }), isUnderWay: () => false });
  t.match(plan([listed], { uses: uses() }), {
    kind: 'refuse',
    message: /once: worker did not succeed in 3 boots.*tinderbox assign 52:54:00:12:34:56 worker --once/,
  });
  const used = plan([listed], { uses: uses({ doneAt: 9 }) });
  t.equal(used.kind === 'boot' && used.once, undefined, 'nothing is to be counted');
  t.match(used.reasons.join('; '), /used up: it succeeded at 1970-01-01T00:00:00.009Z/);
});
