import t from 'tap';
import { admitByPlan } from '../src/admit-by-plan.ts';
import type { Mac } from '../src/machine/mac.ts';
import { NO_USES } from '../src/machine/once.ts';
import { createAdmissionBook } from '../src/store/admission-book.ts';
import { makeCatalog } from './support/make-environment.ts';
import { makeRole } from './support/make-role.ts';

const rule = { match: {}, role: 'worker', parameters: {}, line: 4, max: 2 };
const catalog = makeCatalog([], { roles: new Map([['worker', makeRole('worker')]]), rules: [rule] });
const macs = [1, 2, 3].map((number) => `52:54:00:00:00:0${number}` as Mac);

function setUp(putAdmission: () => Promise<void>) {
  const store = { putAdmission, dropAdmission: async () => undefined };
  const admissions = createAdmissionBook({ store, admissions: [], clock: () => 1 });
  const deps = {
    admission: 'approve',
    journal: { hostnameHolder: () => undefined },
    admissions,
    once: NO_USES,
  } as const;
  return { admissions, plan: (mac: Mac) => admitByPlan(deps, { mac }, catalog) };
}

t.test('machines that ask at the same moment do not both get the last place', async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { plan } = setUp(() => promise);
  const plans = macs.map(plan);
  t.equal((await plans[2])?.kind, 'wait', 'while the others are being written down');
  resolve();
  t.same(
    (await Promise.all(plans)).map(({ kind }) => kind),
    ['boot', 'boot', 'wait'],
  );
  t.equal((await plan(macs[0] as Mac)).kind, 'boot', 'who has a place keeps it');
});

t.test('who cannot be written down does not boot, and holds no place', async (t) => {
  const { plan, admissions } = setUp(() => Promise.reject(new Error('disk full')));
  for (const mac of macs) await t.rejects(plan(mac), { message: 'disk full' });
  t.ok(macs.every((mac) => admissions.ruleOf(mac) === undefined));
});
