import { parseReport } from '../../../src/http/parse-report.ts';
import { bytesOf, TEXT_MUTATORS, textOf } from '../engine/mutate-text.ts';
import { type FuzzTarget, hold } from '../engine/target.ts';
import { queryOf } from '../formats/boot-queries.ts';
import { isPrintable } from '../formats/printable.ts';

const SECRET = 'aaaaBBBBccccDDDDeeeeFFFFggggHHHH';

/** As boot/session-token.ts makes them. */
const TOKEN = /\d-[A-Za-z0-9_-]{32}/;

/** The query up to the first line break, then the body. */
export const target: FuzzTarget = {
  what: 'what a machine posts of itself: a stage, the end of a log, its hardware; JSON, a form or the query alone',
  aims: [
    'http/parse-report.ts',
    'boot/read-hardware.ts',
    'boot/session-token.ts',
    'boot/describe-hardware.ts',
    'document/printable.ts',
  ],
  maxLength: 20_000,
  seeds: () =>
    [
      'stage=booted\n',
      '\nstage=failed&log=one%0atwo%0a',
      `\n{"stage":"failed","log":"at http://10.77.0.1/boot/12-${SECRET}/report\\nx"}`,
      '\n{"hardware":{"cpu":{"model":"x","count":4},"memory":1073741824,"board":"b","firmware":{"kind":"uefi","vendor":"v","version":"1","date":"d","secureBoot":true},"disks":[{"name":"sda","model":"m","bytes":5}],"network":[{"name":"eth0","mac":"52:54:00:12:34:56","driver":"virtio","speed":1000,"link":true}]}}',
      '\n{"stage":"installed"}',
      '\n[]',
    ].map(bytesOf),
  mutators: TEXT_MUTATORS,
  dictionary: [
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    'null',
    'true',
    '1e400',
    '-1',
    '"hardware"',
    '"disks"',
    '"network"',
    '"cpu"',
    '"log"',
    '"stage"',
    'stage=failed&log=',
    '/boot/12-',
    `12-${SECRET}`,
    '\\u001b',
    '\\ud800',
    '%1b',
    '"__proto__"',
  ],
  run(input) {
    const text = textOf(input);
    const end = text.indexOf('\n');
    const report = parseReport(
      end === -1 ? '' : text.slice(end + 1),
      queryOf(bytesOf(end === -1 ? text : text.slice(0, end))),
      1_000,
    );
    switch (report.kind) {
      case 'bad':
        hold(
          isPrintable(report.message) && report.message.length < 400,
          () => `message ${JSON.stringify(report.message)}`,
        );
        return;
      case 'report':
        hold(report.log.length <= 6, () => `${report.log.length} lines`);
        for (const line of report.log) {
          hold(line !== '' && line.length <= 400 && isPrintable(line), () => `line ${JSON.stringify(line)}`);
          hold(!TOKEN.test(line), 'a session token is in the log');
        }
        return;
      case 'hardware': {
        const said = JSON.stringify(report.hardware);
        hold(said.length <= 16 * 1024, () => `hardware of ${said.length} characters`);
        hold(isPrintable(said), () => `hardware ${said}`);
        hold(!TOKEN.test(said), 'a session token is in the hardware');
        return;
      }
    }
  },
};
