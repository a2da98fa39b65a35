import pino from 'pino';
import t from 'tap';
import { resolveConfig } from '../src/config/resolve.ts';
import { TinderboxError } from '../src/errors.ts';
import { followInterfaces } from '../src/follow-interfaces.ts';
import { keepDoors } from '../src/keep-doors.ts';
import type { NetworkInterface } from '../src/net/port.ts';
import { createProvisioning } from '../src/provisioning.ts';
import { ip } from './support/make-environment.ts';
import { until } from './support/until.ts';

const nic = (name: string, address: string, index: number): NetworkInterface => ({
  name,
  addresses: [{ address: ip(address), prefix: 24 }],
  mtu: 1500,
  up: true,
  carrier: true,
  index,
  mac: `52:54:00:00:00:0${index}`,
});
const ONE = nic('eth1', '10.77.0.1', 1);
const TWO = nic('eth2', '10.78.0.1', 2);

/** Two interfaces with one door each. `look` is a reading, with the time at which it is made. */
async function follow(start: readonly NetworkInterface[]) {
  const { config } = resolveConfig({
    file: 't.yaml',
    content: 'network: { interface: [eth1, eth2] }\n',
    folder: '/',
    env: {},
  });
  if (config === undefined) throw new Error('the configuration is broken');
  const provisioning = createProvisioning(config, start);
  const happened: string[] = [];
  const said: string[] = [];
  const held = new Set<string>();
  let time = 0;
  let reading = start;
  let wake: (() => void) | undefined;
  const followed = config.network.interfaces.map((name) => ({
    name,
    refused: [],
    doors: [
      keepDoors(({ index }) => [
        {
          key: String(index),
          async open() {
            if (held.has(name)) throw new TinderboxError('in-use', `${name} is held`);
            happened.push(`open ${name}`);
            return { leave: async () => void happened.push(`leave ${name}`), stop: async () => undefined };
          },
        },
      ]),
    ],
  }));
  for (const { name, doors } of followed) await doors[0]?.follow(start.find((one) => one.name === name));
  const follower = followInterfaces({
    config,
    provisioning,
    followed,
    read: async () => reading,
    pause: (signal) =>
      new Promise((resolve, reject) => {
        wake = () => resolve(undefined);
        signal.addEventListener('abort', () => reject(signal.reason));
      }),
    logger: pino({ base: null }, { write: (line: string) => void said.push(JSON.parse(line).msg) }),
    now: () => time,
    uptime: () => time,
  });
  t.teardown(() => follower.stop());
  return {
    follower,
    held,
    provisioning,
    happened: () => happened.splice(0),
    said: () => said.splice(0),
    look: async (
      at: number,
      now: readonly NetworkInterface[],
      expected: Record<string, string>,
    ): Promise<void> => {
      time = at;
      reading = now;
      wake?.();
      const holds = () => follower.states().every(({ name, state }) => expected[name] === state);
      await until(holds);
    },
  };
}

t.test('one that goes and comes back is said with its time, and the other one is left alone', async (t) => {
  const { follower, happened, said, look, provisioning } = await follow([ONE, TWO]);
  t.strictSame(happened(), ['open eth1', 'open eth2']);
  await look(5_000, [TWO], { eth1: 'waiting', eth2: 'serving' });
  t.strictSame(happened(), ['leave eth1']);
  t.match(said(), [/^eth1 is not served until this is mended: there is no network interface eth1$/]);
  t.match(follower.states()[0], { since: 5_000, addresses: [], reason: /no network interface/ });
  t.strictSame(
    provisioning.networks().interfaces.map(({ name }) => name),
    ['eth2'],
  );
  await look(9_500, [{ ...ONE, index: 7 }, TWO], { eth1: 'serving', eth2: 'serving' });
  t.strictSame(happened(), ['open eth1']);
  t.strictSame(said(), ['eth1 is served; it was not for 4.5 s']);
  t.match(follower.states(), [
    { name: 'eth1', since: 9_500, addresses: ['10.77.0.1'] },
    { name: 'eth2', since: 0 },
  ]);
});

t.test('one that was not there at the start is served when it comes', async (t) => {
  const { happened, said, look } = await follow([ONE]);
  happened();
  await look(60_000, [ONE, TWO], { eth1: 'serving', eth2: 'serving' });
  t.strictSame(happened(), ['open eth2']);
  t.strictSame(said(), ['eth2 is served; it was not for 60.0 s']);
});

t.test('what is refused is tried again without another change', async (t) => {
  const { follower, happened, held, said, look } = await follow([TWO]);
  happened();
  held.add('eth1');
  await look(1_000, [ONE, TWO], { eth1: 'waiting', eth2: 'serving' });
  await until(() => follower.states()[0]?.reason === 'eth1 is held');
  held.clear();
  await until(() => follower.states()[0]?.state === 'serving');
  t.strictSame(happened(), ['open eth1']);
  t.match(said(), [/eth1 is not served until this is mended: eth1 is held/, /eth1 is served/]);
});

t.test('a name that moved is guessed while it is missing', async (t) => {
  const { follower, look } = await follow([ONE, TWO]);
  const renamed = { ...ONE, name: 'enp0s8' };
  await look(1_000, [renamed, TWO], { eth1: 'waiting', eth2: 'serving' });
  await look(2_000, [renamed, { ...TWO, mtu: 9000 }], { eth1: 'waiting', eth2: 'serving' });
  t.match(follower.states()[0]?.reason, /was it renamed to enp0s8\?/);
});
