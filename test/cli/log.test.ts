import t from 'tap';
import type { LogView } from '../../src/admin/api.ts';
import { formatLog } from '../../src/cli/log.ts';
import { runCli } from '../../src/cli/program.ts';
import type { Mac } from '../../src/machine/mac.ts';

const NOW = 1_700_000_000_000;
const VIEW: LogView = {
  level: 'info',
  parts: [
    { part: 'dhcp', level: 'debug', until: NOW + 3_540_000 },
    { part: 'http', level: 'info' },
  ],
  traces: [{ mac: '52:54:00:12:34:56' as Mac, until: NOW + 59_000 }],
};

t.test('what was changed is listed, and for how long', (t) => {
  t.equal(
    formatLog(VIEW, NOW),
    'level     info\ndhcp      debug             for another 59 min\ntrace     52:54:00:12:34:56 for another 59 s\n',
  );
  t.equal(formatLog({ level: 'warn', parts: [], traces: [] }, NOW), 'level     warn\n');
  t.end();
});

t.test('flags that say nothing together are refused before anybody is asked', async (t) => {
  const rows: readonly (readonly [readonly string[], RegExp])[] = [
    [['--part', 'dhcp'], /--part goes with --level/],
    [['--for', '5m'], /--for goes with/],
    [['--level', 'debug', '--for', '0'], /no time from 1s to 7d/],
    [['--level', 'debug', '--for', '8d'], /no time from 1s to 7d/],
    [['--level', 'loud'], /trace, debug, info/],
    [['--level', 'debug', '--part', 'trace'], /dhcp/],
    [['--trace', 'node-1'], /not a MAC/],
  ];
  for (const [flags, said] of rows) {
    let text = '';
    const code = await runCli(['log', ...flags, '--config', '/nowhere'], {
      out: () => undefined,
      err: (more) => void (text += more),
    });
    t.equal(code, 2, flags.join(' '));
    t.match(text, said);
  }
});
