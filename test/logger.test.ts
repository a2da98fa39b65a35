import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import t from 'tap';

t.test('a log that cannot be written stops nothing, and is said once', async (t) => {
  const logger = join(import.meta.dirname, '../src/logger.ts');
  const script = `
    import { createLoggers } from ${JSON.stringify(logger)};
    const { daemon } = createLoggers();
    for (let line = 0; line < 3000; line++) daemon.info('x'.repeat(200));
    console.error('went on');`;
  const argv = ['-c', 'exec "$0" --input-type=module --eval "$1" > /dev/full', process.execPath, script];
  const child = spawn('sh', argv, { stdio: ['ignore', 'inherit', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => void (said += chunk.toString('utf8')));
  const [code] = (await once(child, 'close')) as [number | null];
  t.equal(said, 'tinderbox: the log cannot be written: ENOSPC: no space left on device, write\nwent on\n');
  t.equal(code, 0);
});
