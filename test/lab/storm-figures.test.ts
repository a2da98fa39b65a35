import t from 'tap';
import {
  groupFailures,
  type MachineEnd,
  percentile,
  spreadOf,
  summarizeStorm,
} from '../../src/lab/storm-figures.ts';
import { stageAfter, stageOf } from '../../src/lab/storm-stages.ts';
import { CLIENT_STEPS, type ClientStep } from '../../src/lab/virtual-client-types.ts';

const step = (name: ClientStep['step'], ms: number, more: Partial<ClientStep> = {}): ClientStep => ({
  step: name,
  ok: true,
  asked: '',
  answered: '',
  bytes: 10,
  ms,
  ...more,
});
const end = (mac: string, ok: boolean, steps: readonly ClientStep[], waitedMs = 0): MachineEnd => ({
  mac,
  result: { ok, steps, ms: steps.reduce((sum, { ms }) => sum + ms, 0), waitedMs },
});

t.test('a percentile is a value that was measured: the nearest rank', async (t) => {
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  t.equal(percentile(hundred, 0.5), 50);
  t.equal(percentile(hundred, 0.99), 99);
  t.equal(percentile(hundred, 1), 100);
  t.equal(percentile([7], 0.01), 7);
  t.equal(percentile([1, 2, 3], 0.99), 3);
  t.equal(percentile([], 0.5), 0);
});

t.test('values may come in any order', async (t) => {
  t.same(spreadOf([30, 10, 20]), { machines: 3, p50: 20, p90: 30, p99: 30, max: 30 });
  t.same(spreadOf([]), { machines: 0, p50: 0, p90: 0, p99: 0, max: 0 });
});

t.test('the steps of a stage are one time of a machine, without what it was told to wait', async (t) => {
  const figures = summarizeStorm([
    end(
      'a',
      true,
      [step('rom-discover', 5), step('rom-request', 7), step('kernel', 1_000, { waitedMs: 900 })],
      900,
    ),
    end('b', true, [step('rom-discover', 20), step('kernel', 50)]),
  ]);
  const of = (name: string) => figures.stages.find(({ stage }) => stage === name);
  t.match(of('rom-dhcp'), { machines: 2, p50: 12, max: 20 });
  t.match(of('kernel'), { machines: 2, p50: 50, max: 100 });
  t.match(of('initrd'), { machines: 0 });
  t.match(figures.waited, { machines: 1, max: 900 });
  t.match(figures.whole, { machines: 2, max: 1_012 });
  t.match(figures, { booted: 2, failed: 0, bytes: 50, failures: [] });
});

t.test('one that failed is not in the time of a whole boot', async (t) => {
  const figures = summarizeStorm([
    end('a', true, [step('kernel', 5)]),
    end('b', false, [step('kernel', 9_000, { ok: false, answered: 'no' })]),
  ]);
  t.match(figures, { booted: 1, failed: 1, whole: { machines: 1, max: 5 } });
  t.match(
    figures.stages.find(({ stage }) => stage === 'kernel'),
    { machines: 2, max: 9_000 },
  );
});

t.test('failures that differ in what is of the machine only are one, the most frequent first', async (t) => {
  const failed = (mac: string, name: ClientStep['step'], answered: string) =>
    end(mac, false, [step('rom-discover', 1), step(name, 1, { ok: false, answered, remedy: 'look' })]);
  const groups = groupFailures([
    failed('m1', 'script', 'other'),
    failed('m2', 'config', 'http://10.77.0.1/boot/7-AAA/cloud-config answered 500: no 02:74:62:00:00:01'),
    failed('m3', 'config', 'http://10.77.0.1/boot/8-BBB/cloud-config answered 500: no 02:74:62:00:00:02'),
    failed('m4', 'kernel', 'http://10.77.0.1/assets/k ended after 17 of 99 bytes'),
    failed('m5', 'kernel', 'http://10.77.0.1/assets/k ended after 3 of 99 bytes'),
    failed('m6', 'kernel', 'http://10.77.0.1/assets/k ended after 4 of 99 bytes'),
    failed('m7', 'kernel', 'http://10.77.0.1/assets/k ended after 5 of 99 bytes'),
    failed('m8', 'kernel', 'connect ECONNRESET 10.77.0.1:80 - Local (10.77.1.9:41234)'),
    failed('m9', 'kernel', 'connect ECONNRESET 10.77.0.1:80 - Local (10.77.1.8:41235)'),
    end('m10', true, [step('kernel', 1)]),
  ]);
  t.same(
    groups.map(({ step: at, machines, examples }) => [at, machines, examples]),
    [
      ['kernel', 4, ['m4', 'm5', 'm6']],
      ['config', 2, ['m2', 'm3']],
      ['kernel', 2, ['m8', 'm9']],
      ['script', 1, ['m1']],
    ],
  );
  t.match(groups[1], { reason: 'http://10.77.0.1/boot/…/cloud-config answered 500: no MAC', remedy: 'look' });
});

t.test('after each step a machine stands in its stage, or in one that comes later', async (t) => {
  const order = [...new Set(CLIENT_STEPS.map(stageOf))];
  for (const name of CLIENT_STEPS) {
    t.ok(order.indexOf(stageAfter(name)) >= order.indexOf(stageOf(name)), name);
  }
});
