import t from 'tap';
import { readStormArgs } from '../../src/cli/storm-args.ts';

const base = { interface: 'eth1', machines: '3' };

t.test('machines have MACs one after the other, and what firmware knows of itself', async (t) => {
  const { machines, arrivals, loss, timeout } = readStormArgs(base);
  t.same(
    machines.map(({ mac }) => mac),
    ['02:74:62:00:00:00', '02:74:62:00:00:01', '02:74:62:00:00:02'],
  );
  t.equal(new Set(machines.map(({ uuid }) => uuid)).size, 3);
  t.equal(new Set(machines.map(({ serial }) => serial)).size, 3);
  t.match({ arrivals, loss, timeout }, { arrivals: { kind: 'all-at-once' }, loss: 0, timeout: 600_000 });
  const [, second] = readStormArgs({ ...base, mac: '02:00:00:00:ff:ff', arch: 'bios' }).machines;
  t.match(second, { mac: '02:00:00:01:00:00', architecture: { firmware: 'bios' } });
});

t.test('loss is a share of packets', async (t) => {
  const rows = [
    ['1%', 0.01],
    ['0.5 %', 0.005],
    ['0.02', 0.02],
    ['0', 0],
  ] as const;
  for (const [loss, share] of rows) t.equal(readStormArgs({ ...base, loss }).loss, share, loss);
});

t.test('what cannot be is wrong usage, and says what can', async (t) => {
  const rows = [
    [{ machines: '0' }, /number of machines/],
    [{ machines: '1.5' }, /number of machines/],
    [{ machines: 'many' }, /number of machines/],
    [{ machines: '20001' }, /number of machines/],
    [{ arrival: 'soon' }, /way to arrive/],
    [{ loss: '100%' }, /share of packets/],
    [{ loss: '-1%' }, /share of packets/],
    [{ loss: 'some' }, /share of packets/],
    [{ attempts: '0' }, /number of attempts/],
    [{ timeout: '0' }, /time-out/],
    [{ timeout: 'x' }, /time-out/],
    [{ arch: 'z80' }, /architecture/],
    [{ mac: 'x' }, /no MAC/],
    [{ mac: 'ff:ff:ff:ff:ff:fe' }, /not 3 MACs/],
  ] as const;
  for (const [more, message] of rows) {
    t.throws(() => readStormArgs({ ...base, ...more }), { code: 'usage', message }, JSON.stringify(more));
  }
});
