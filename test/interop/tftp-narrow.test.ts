import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';

t.test('where the socket has no room for a window, what did not fit goes out when there is', async (t) => {
  const program = join(import.meta.dirname, 'support/tftp-narrow.ts');
  const root = process.getuid?.() === 0 ? [] : ['--map-root-user'];
  const { stdout } = await promisify(execFile)('unshare', ['--net', ...root, process.execPath, program], {
    timeout: 90_000,
  });
  const { same, failed, wasFull } = JSON.parse(stdout) as {
    readonly same: readonly boolean[];
    readonly failed: number;
    readonly wasFull: boolean;
  };
  t.same(same, [true, true, true, true]);
  t.equal(failed, 0, 'a full socket is no error');
  t.ok(wasFull, 'and it was full');
});
