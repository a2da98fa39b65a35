import { PassThrough } from 'node:stream';
import t from 'tap';
import { createComplain } from '../../src/http/complain.ts';
import { createLoggers } from '../../src/logger.ts';

function setUp() {
  const lines: string[] = [];
  const output = new PassThrough();
  output.on('data', (chunk) => lines.push(String(chunk)));
  const counts = new Map<string, number>();
  const count = (name: string) => void counts.set(name, (counts.get(name) ?? 0) + 1);
  let now = 10_000;
  const complain = createComplain(createLoggers({ destination: output }).http, { count }, () => now);
  return { complain, lines, counts, pass: (ms: number) => void (now += ms) };
}

t.test('one line a second for each cause, the rest is counted', (t) => {
  const { complain, lines, counts, pass } = setUp();
  for (const mac of ['a', 'b', 'c']) complain('csr', 'error', { mac }, 'a certificate could not be given');
  t.equal(lines.length, 1);
  t.equal(counts.get('http.unlogged.csr'), 2);
  pass(1_000);
  complain('csr', 'error', {}, 'a certificate could not be given');
  t.equal(lines.length, 2);
  t.end();
});

t.test("alarms of one machine do not keep another machine's out of the log", (t) => {
  const { complain, lines, counts } = setUp();
  const alarm = (mac: string) => complain('alarm.second-key', 'warn', { mac }, 'a second key');
  for (let more = 0; more < 50; more++) alarm('thief');
  alarm('victim');
  t.match(lines, [/thief/, /victim/]);
  t.equal(lines.length, 2);
  t.equal(counts.get('http.unlogged.alarm.second-key'), 49);
  complain('alarm.second-release', 'warn', { mac: 'victim' }, 'another cause');
  t.equal(lines.length, 3);
  for (let machine = 0; machine < 3_000; machine++) alarm(`machine ${machine}`);
  t.equal(lines.length, 3_003, 'whose line is long ago is forgotten, and no other left out');
  t.end();
});
