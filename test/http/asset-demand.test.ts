import t from 'tap';
import { createAssetDemand } from '../../src/http/asset-demand.ts';

t.test('what was asked for counts for one to two minutes', (t) => {
  let now = 1_000_000;
  const demand = createAssetDemand(() => now);
  demand.note('a');
  now += 59_000;
  demand.note('a');
  t.equal(demand.of('a'), 2);
  now += 2_000;
  demand.note('a');
  t.equal(demand.of('a'), 3);
  now += 60_000;
  t.equal(demand.of('a'), 1);
  now += 500_000;
  t.equal(demand.of('a'), 0);
  demand.note('a');
  now -= 900_000;
  t.equal(demand.of('a'), 0, 'a clock that is set back begins anew');
  t.end();
});

t.test('of many names the oldest are forgotten', (t) => {
  const demand = createAssetDemand(() => 0);
  for (let name = 0; name < 3_000; name++) demand.note(String(name));
  t.equal(demand.of('0'), 0);
  t.equal(demand.of('2999'), 1);
  t.end();
});
