import t from 'tap';
import { NO_PLACES } from '../../src/boot/admit-machine.ts';
import { type PlanInput, planBoot } from '../../src/boot/plan-boot.ts';
import { NO_USES } from '../../src/machine/once.ts';
import type { MenuBoot, Role } from '../../src/machine/role.ts';
import { makeCatalog } from '../support/make-environment.ts';
import { MAC } from '../support/make-request.ts';
import { makeRole } from '../support/make-role.ts';

const boot: MenuBoot = {
  kind: 'menu',
  title: 'What now?',
  timeout: 30,
  default: 'worker',
  choices: [
    { role: 'worker', label: 'Worker', line: 5 },
    { role: 'memtest', label: 'Memory test', key: 'm', line: 6 },
  ],
};
const menu: Role = { ...makeRole('menu'), boot };
const roles = new Map(
  [menu, makeRole('worker', { image: 'stable' }), makeRole('memtest'), makeRole('rescue')].map((role) => [
    role.name,
    role,
  ]),
);

function plan(choice: string | undefined, rest: Partial<PlanInput> = {}, defaultRole = 'menu') {
  const catalog = makeCatalog([], { roles, defaultRole });
  return planBoot({
    facts: { mac: MAC },
    catalog,
    admission: 'open',
    places: NO_PLACES,
    choice,
    uses: NO_USES,
    holderOf: () => undefined,
    ...rest,
  });
}

t.test('a machine becomes what its menu offers, and nothing else by asking', async (t) => {
  // what the machine is given, what it says was chosen, what it boots
  const rows: readonly [string, string | undefined, string][] = [
    ['menu', undefined, 'menu'],
    ['menu', 'memtest', 'memtest'],
    ['menu', 'worker', 'worker'],
    ['menu', 'rescue', 'menu'],
    ['menu', 'menu', 'menu'],
    ['menu', 'gone', 'menu'],
    ['worker', 'memtest', 'worker'],
    ['worker', 'menu', 'worker'],
  ];
  for (const [given, choice, role] of rows) {
    t.match(plan(choice, {}, given), { kind: 'boot', role: { name: role } }, `${given}, ${choice}`);
  }
});

t.test('the reasons say who chose', async (t) => {
  t.match(plan('memtest').reasons.at(-1), /^profiles\/menu\/role.yaml:6: .*memtest: chosen at the console$/);
  t.match(plan('worker').reasons.at(-1), /its default: chosen at the console, or its 30 s were over$/);
});

t.test('what was chosen has the parameters of the rule and the entry', async (t) => {
  const entry = { mac: MAC, role: 'menu', hostname: 'edge-9', parameters: { image: 'beta' }, line: 2 };
  const catalog = makeCatalog([entry], { roles });
  t.match(plan('worker', { catalog }), { hostname: 'edge-9', parameters: { image: 'beta' } });
});

t.test('nobody gets past admission by choosing', async (t) => {
  t.equal(plan('memtest', { admission: 'approve' }).kind, 'wait');
  t.equal(plan('memtest', { admission: 'listed' }).kind, 'refuse');
});
