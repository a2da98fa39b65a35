import t from 'tap';
import { NOTHING_KNOWN, noteProbe, noteRequest, type WireState } from '../../src/boot/known-dhcp-servers.ts';
import { formatIpv4, type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';

const HOUR = 3_600_000;
const server = (text: string, mac = '52:54:00:00:00:02') => ({
  server: parseIpv4(text) as Ipv4,
  mac: mac as Mac,
  offered: parseIpv4('10.77.0.50') as Ipv4,
  dns: [],
});

type Step = readonly [what: string, at: number, ...found: readonly ReturnType<typeof server>[]];

/** What is said of a row of probes and requests: `kind address`. */
function play(...steps: readonly Step[]): readonly (readonly string[])[] {
  let state: WireState = NOTHING_KNOWN;
  return steps.map(([what, at, ...found]) => {
    const step =
      what === 'probe' ? noteProbe(state, found, at) : noteRequest(state, parseIpv4(what) as Ipv4, at);
    state = step.state;
    return step.changes.map((change) =>
      change.kind === 'alone' ? 'alone' : `${change.kind} ${formatIpv4(change.server.server)}`,
    );
  });
}

t.test('a server is said once, and once more when it has missed two probes', async (t) => {
  const two = server('10.77.0.2');
  t.same(
    play(
      ['probe', 0, two],
      ['probe', 1, two],
      ['probe', 2],
      ['probe', 3, two],
      ['probe', 4],
      ['probe', 5],
      ['probe', 6],
    ),
    [['appeared 10.77.0.2'], [], [], [], [], ['gone 10.77.0.2', 'alone'], []],
  );
});

t.test('nobody is said at once, and again only after somebody came', async (t) => {
  t.same(play(['probe', 0], ['probe', 1], ['probe', 2, server('10.77.0.2')], ['probe', 3], ['probe', 4]), [
    ['alone'],
    [],
    ['appeared 10.77.0.2'],
    [],
    ['gone 10.77.0.2', 'alone'],
  ]);
});

t.test('a server that answers known machines only stays for an hour after the last of them', async (t) => {
  t.same(
    play(
      ['10.77.0.3', 0],
      ['probe', 1],
      ['probe', 2],
      ['10.77.0.3', 3],
      ['probe', HOUR],
      ['probe', HOUR + 4],
    ),
    [['appeared 10.77.0.3'], [], [], [], [], ['gone 10.77.0.3', 'alone']],
  );
});

t.test('another host with the address of a server is a change', async (t) => {
  t.same(play(['probe', 0, server('10.77.0.2')], ['probe', 1, server('10.77.0.2', '52:54:00:00:00:09')]), [
    ['appeared 10.77.0.2'],
    ['changed 10.77.0.2'],
  ]);
});

t.test('a MAC that could not be asked for is the one of before', async (t) => {
  const two = server('10.77.0.2');
  const { mac: _mac, ...unasked } = two;
  const before = noteProbe(NOTHING_KNOWN, [two], 0).state;
  const after = noteProbe(before, [unasked], 1);
  t.same(after.changes, []);
  t.equal(after.state.servers.get(two.server)?.mac, two.mac);
});

t.test('a flood of forged servers is bounded, in what is kept and in what is said', async (t) => {
  const flood = Array.from(
    { length: 1000 },
    (_, index): Step => [formatIpv4((0x0a4e0000 + index) as Ipv4), index],
  );
  t.equal(play(...flood).flat().length, 16);
  const found = flood.map(([address]) => server(address));
  t.equal(noteProbe(NOTHING_KNOWN, found, 0).state.servers.size, 16);
});

t.test('one that answers takes the place of one that was only named, however many are', async (t) => {
  const flood = Array.from(
    { length: 16 },
    (_, index): Step => [formatIpv4((0x0a4e0000 + index) as Ipv4), index + 1],
  );
  const last = play(...flood, ['10.78.0.0', 20], ['probe', 30, server('10.77.0.2')], ['10.78.1.1', 31]);
  t.same(
    last.slice(-2),
    [['gone 10.78.0.1', 'appeared 10.77.0.2'], []],
    'the least lately named is left out',
  );
});

t.test('one that answered yields to nobody', async (t) => {
  const sixteen = Array.from({ length: 16 }, (_, index) => server(formatIpv4((0x0a4e0000 + index) as Ipv4)));
  t.same(play(['probe', 0, ...sixteen], ['probe', 1, ...sixteen, server('10.77.0.2')]).at(-1), []);
});
