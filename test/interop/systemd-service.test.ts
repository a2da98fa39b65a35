import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

const ROOT = join(import.meta.dirname, '../..');
const hasSystemd = spawnSync('systemd-analyze', ['--version']).status === 0;

t.test(
  'systemd has nothing against the example unit',
  { skip: hasSystemd ? false : 'systemd-analyze is not installed' },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'tinderbox-unit-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const unit = readFileSync(join(ROOT, 'systemd/tinderbox.service'), 'utf8');
    const file = join(folder, 'tinderbox.service');
    // Where this clone is, since systemd looks whether the program exists.
    writeFileSync(file, unit.replaceAll('/opt/tinderbox', ROOT));
    const verify = () =>
      spawnSync('systemd-analyze', ['verify', '--man=no', file], {
        encoding: 'utf8',
        env: { ...process.env, SYSTEMD_LOG_LEVEL: 'warning' },
      })
        .stderr.split('\n')
        .filter((line) => line.includes('tinderbox.service'));
    t.strictSame(verify(), []);

    writeFileSync(file, unit.replace('/opt/tinderbox/bin/tinderbox', '/no/such/program'));
    t.match(verify().join('\n'), /no\/such\/program/, 'and would say if it had');
  },
);
