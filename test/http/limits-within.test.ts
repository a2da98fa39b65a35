import t from 'tap';
import { limitsWithin } from '../../src/http/limits-within.ts';
import { DEFAULT_LIMITS } from '../../src/http/listeners.ts';

t.test('connections leave room for the other half of the descriptors', (t) => {
  t.same(limitsWithin(undefined), {});
  const { connections, connectionsPerAddress, toldConnections } = DEFAULT_LIMITS;
  t.same(limitsWithin(524_288), { connections, connectionsPerAddress, toldConnections });
  t.same(limitsWithin(256), { connections: 42, connectionsPerAddress: 21, toldConnections: 21 });
  t.same(
    limitsWithin(20),
    { connections: 16, connectionsPerAddress: 8, toldConnections: 8 },
    'and some are always taken',
  );
  for (const limit of [256, 1024, 4096]) {
    const { connections: most = 0, toldConnections: told = 0 } = limitsWithin(limit);
    t.ok(3 * most + told <= limit * 0.75, String(limit));
  }
  t.end();
});
