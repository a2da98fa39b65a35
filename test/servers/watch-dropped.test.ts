import t from 'tap';
import { watchDropped } from '../../src/servers/watch-dropped.ts';
import { until } from '../support/until.ts';

/** It has lost five in another life. */
function watch(dropped: { now: number }) {
  const counted: [string, number | undefined][] = [];
  const said: { readonly details: unknown; readonly text: string }[] = [];
  const time = { now: 0 };
  const watching = watchDropped({
    socket: { dropped: () => dropped.now },
    plane: 'dhcp',
    port: 67,
    via: 'eth1',
    journal: { count: (name, times) => void counted.push([name, times]) },
    logger: { warn: (details: unknown, text?: string) => void said.push({ details, text: text ?? '' }) },
    uptime: () => time.now,
    every: 1,
  });
  return { watching, counted, said, time };
}

t.test('what found no room is counted, and said once a minute with what was held back', async (t) => {
  const dropped = { now: 5 };
  const { watching, counted, said, time } = watch(dropped);
  dropped.now = 12;
  await until(() => said.length === 1);
  t.match(said[0]?.text, /^7 packets to port 67 on eth1 were lost, .*net\.core\.rmem_max/);
  dropped.now = 15;
  await until(() => counted.length === 2);
  t.same(counted, [
    ['dhcp.dropped.no-room', 7],
    ['dhcp.dropped.no-room', 3],
  ]);
  t.equal(said.length, 1);
  time.now = 60_000;
  await until(() => said.length === 2);
  t.match(said[1], { details: { interface: 'eth1', dropped: 3 } });
  dropped.now = 16;
  watching[Symbol.dispose]();
  t.equal(counted.length, 3, 'to the end');
});

t.test('a socket that does not know says nothing', async (t) => {
  const watching = watchDropped({
    socket: {},
    plane: 'pxe',
    port: 4011,
    via: 'eth1',
    journal: { count: () => t.fail() },
    logger: { warn: () => t.fail() },
  });
  watching[Symbol.dispose]();
});
