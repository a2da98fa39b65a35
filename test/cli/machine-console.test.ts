import t from 'tap';
import type { ConsoleLineView, ConsoleView } from '../../src/admin/console-api.ts';
import { formatConsole, runConsole } from '../../src/cli/machine-console.ts';
import { TinderboxError } from '../../src/errors.ts';
import type { Mac } from '../../src/machine/mac.ts';

const mac = '52:54:00:12:34:56' as Mac;
const line = (number: number, more: Partial<ConsoleLineView> = {}): ConsoleLineView => ({
  number,
  at: Date.UTC(2026, 10, 27, 23, 24, 22, 7),
  facility: 'kern',
  severity: 'info',
  text: `line ${number}`,
  reasons: [],
  ...more,
});
const view = (lines: readonly ConsoleLineView[], missed = 0): ConsoleView => ({ mac, lines, missed });

t.test('lines have their time, their program, and the words of their errors', async (t) => {
  const text = formatConsole(
    view(
      [
        line(8, { program: 'ipxe', text: 'not found (https://ipxe.org/2d0c618e)', reasons: ['it is a 404'] }),
        line(9, { program: 'kernel', severity: 'err', text: 'EXT4-fs error' }),
      ],
      7,
    ),
  );
  t.equal(
    text,
    `(7 older lines are forgotten)
23:24:22.007  ipxe      not found (https://ipxe.org/2d0c618e)
                        it is a 404
23:24:22.007  kernel    ERR: EXT4-fs error
`,
  );
});

t.test('what a machine sends cannot act on a terminal', async (t) => {
  const hostile = line(1, { program: '\u001b[2J', text: '\u001b]0;x\u0007\u202eok', reasons: ['\u001b[1m'] });
  // oxlint-disable-next-line no-control-regex
  t.notMatch(formatConsole(view([hostile])), /[\u0000-\u0009\u000b-\u001f\u202e]/);
});

t.test('an empty console says who would fill it', async (t) => {
  t.match(formatConsole(view([])), /has printed nothing here since tinderbox was started/);
});

t.test('following prints each line once, and ends with the daemon', async (t) => {
  const answers = [view([line(1), line(2)]), view([]), view([line(3)]), view([line(1)])];
  const asked: (number | undefined)[] = [];
  let printed = '';
  const client = {
    console: async (_mac: Mac, after?: number) => {
      asked.push(after);
      const answer = answers.shift();
      if (answer === undefined) throw new TinderboxError('unavailable', 'it stopped');
      return answer;
    },
  };
  await runConsole(
    mac,
    { json: false, follow: true },
    { client, out: (text) => void (printed += text), pause: 0 },
  );
  t.strictSame(
    printed.match(/line \d/g),
    ['line 1', 'line 2', 'line 3', 'line 1'],
    'after a restart numbers begin anew',
  );
  t.strictSame(asked, [undefined, 2, 2, 3, 1]);
});

t.test('as JSON it is the view, or when following a line each', async (t) => {
  let printed = '';
  const out = (text: string) => void (printed += text);
  await runConsole(
    mac,
    { json: true, follow: false },
    { client: { console: async () => view([line(1)]) }, out },
  );
  t.strictSame(JSON.parse(printed), view([line(1)]));
  printed = '';
  const ending = new AbortController();
  const client = {
    async console() {
      ending.abort();
      return view([line(1), line(2)]);
    },
  };
  await runConsole(mac, { json: true, follow: true }, { client, out, signal: ending.signal });
  t.strictSame(
    printed
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text) as unknown),
    [line(1), line(2)],
  );
});
