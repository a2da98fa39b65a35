import t from 'tap';
import { formatPlaces, formatStorm, type StormReport } from '../../src/cli/format-storm.ts';
import type { StormPlace } from '../../src/lab/storm-stages.ts';

const spread = (machines: number) => ({ machines, p50: 1, p90: 20, p99: 999.6, max: 61_000 });
const REPORT: StormReport = {
  machines: 10,
  arrival: 'all at once',
  loss: 0.01,
  seconds: 5,
  unfinished: 1,
  lostPackets: 7,
  droppedReplies: 0,
  restarts: [{ step: 'tftp-size', reason: 'no answer', machines: 3, examples: [] }],
  booted: 8,
  failed: 1,
  whole: spread(8),
  waited: spread(2),
  stages: [
    { stage: 'kernel', ...spread(9) },
    { stage: 'config', ...spread(0) },
  ],
  failures: [
    {
      step: 'config',
      reason: 'http://10.77.0.1/boot/7-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA \u001b[31mno',
      machines: 4,
      examples: ['02:74:62:00:00:01'],
      remedy: 'look',
    },
  ],
  bytes: 3 * 1024 * 1024,
  client: { cpuSeconds: 2, memoryBytes: 1024 * 1024 },
};

t.test('a report for people has a line for each stage that a machine was in', async (t) => {
  const text = formatStorm(REPORT);
  t.match(text, '10 machines, all at once: 8 booted, 1 failed, 1 not at their end, in 5.0 s, 1.6 a second');
  t.match(text, '3.0 MiB fetched, 7 packets lost on purpose');
  t.match(text, /^kernel +9 +1\.0 ms +20 ms +1000 ms +61\.0 s$/m);
  t.match(text, /^told to wait +2 /m);
  t.match(text, /^whole boot +8 /m);
  t.match(text, /^began anew at tftp-size: 3 \(no answer\)$/m);
  t.notMatch(text, /^configuration/m, 'nobody was in it');
  t.match(text, /✗ 4 at config: .*\n {4}02:74:62:00:00:01, …\n {4}look/);
  t.notMatch(text, 'AAAA', 'the right to a configuration is not printed');
  t.notMatch(text, '\u001b', 'what a server says moves no cursor');
  t.match(text, /no daemon of this host answered: --config/);
  t.notMatch(text, 'had no room');
  t.match(formatStorm({ ...REPORT, droppedReplies: 12 }), /^client +had no room for 12 replies/m);
});

t.test('what it cost the server is told where it says so', async (t) => {
  const commits = { leases: { count: 3, seconds: 0.5, p99: 200 }, history: { count: 0, seconds: 0, p99: 0 } };
  const text = formatStorm({
    ...REPORT,
    forgotten: 8,
    server: {
      cpuSeconds: 2.5,
      memoryBytes: { before: 1024 ** 2, after: 2 * 1024 ** 2 },
      blocked: { p50: 0.1, p99: 12, max: 340 },
      commits,
      incidents: { 'incidents: http.stalled': 2 },
    },
  });
  t.match(text, 'server    2.5 s of processor (50 % of one), 1.0 MiB before, 2.0 MiB after');
  t.match(text, '0.1 ms (p50), 12 ms (p99), 340 ms (longest)');
  t.match(text, 'commits of leases: 3 in 0.50 s, p99 within 200 ms');
  t.match(text, 'incidents: http.stalled: 2');
  t.match(text, 'forgotten 8 machines');
});

t.test('progress says how many stand where, and nothing of where nobody stands', async (t) => {
  const places = new Map<StormPlace, number>([
    ['off', 5],
    ['initrd', 2],
    ['waiting', 1],
    ['booted', 3],
    ['loader', 0],
  ]);
  t.equal(formatPlaces(12.3, places), '12 s: 3 booted, 1 told to wait, 2 initrd, 5 off');
});
