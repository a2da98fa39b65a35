import t from 'tap';
import type { MachineListView } from '../src/admin/api.ts';
import type { DoctorContext } from '../src/doctor-context.ts';
import { checkMachines } from '../src/doctor-machines.ts';

type Overview = MachineListView['machines'][number];
const T0 = 1_700_000_000_000;

function machine(end: string, session: object = {}, facts: object = {}): Overview {
  const mac = `52:54:00:00:00:${end}`;
  const common = { id: 1, mac, openedAt: T0, updatedAt: T0, stage: 'offered', stageTimes: {} };
  return {
    machine: { mac, firstSeen: T0, lastSeen: T0, ...facts },
    session: { ...common, ...session },
  } as unknown as Overview;
}

const stalled = {
  at: T0,
  stage: 'offered',
  diagnosis: {
    name: 'no-request',
    title: 'the firmware took no offer',
    evidence: [],
    remedy: 'Try server mode.',
  },
};
const look = (machines: readonly Overview[], mode = 'server') =>
  checkMachines({ config: { dhcp: { mode } }, machines: async () => machines } as unknown as DoctorContext);

t.test('machines that do not get on are named, each with its cause', async (t) => {
  t.match(await look([]), [{ state: 'skipped', text: /ever seen/ }]);
  t.match(await look([machine('01')]), [{ state: 'ok', text: 'one machine was seen, none is stalled' }]);
  t.match(await look([machine('01', { stalled, hostname: 'one' }), machine('02')]), [
    {
      state: 'warning',
      text: '52:54:00:00:00:01 (one) is stalled at offered: the firmware took no offer',
      remedy: 'Try server mode. See: tinderbox explain 52:54:00:00:00:01',
    },
  ]);
  t.match(await look([machine('01', { stalled, end: 'ready' })]), [{ state: 'ok' }], 'a boot that ended');
  t.match(await look([machine('01', { waitingSince: T0 })]), [{ text: /a machine waits for approval/ }]);
  const many = Array.from({ length: 50 }, (_, at) => machine(String(at + 10), { stalled }));
  const findings = await look(many);
  t.equal(findings.length, 21);
  t.match(findings.at(-1), { text: '30 more are stalled' });
});

t.test('machines of HP that take no offer of a proxy are said to want server mode', async (t) => {
  const hp = [machine('01', {}, { manufacturer: 'HPE' })];
  t.match(await look(hp, 'proxy'), [{ state: 'warning', remedy: /mode: server/ }]);
  t.match(await look(hp), [{ state: 'ok' }]);
});
