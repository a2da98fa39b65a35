import t from 'tap';
import { lastStageOf } from '../../src/boot/last-stage.ts';
import { IDENTITIES } from '../../src/machine/identity.ts';

t.test('only what runs a kubelet, and only where there is a cluster, is over when its Node is ready', (t) => {
  const withCluster = IDENTITIES.map((identity) => [identity, lastStageOf({ identity }, true)]);
  t.same(Object.fromEntries(withCluster), {
    worker: 'ready',
    controller: 'ready',
    etcd: 'booted',
    none: 'booted',
  });
  for (const identity of IDENTITIES) t.equal(lastStageOf({ identity }, false), 'booted', identity);
  t.end();
});
