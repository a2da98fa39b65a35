import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import t from 'tap';
import { createLoggers } from '../src/logger.ts';
import { until } from './support/until.ts';

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

t.test(
  'a pipe that nobody reads holds nothing up; what was lost is said once it is read again, and what was kept is whole',
  async (t) => {
    const logger = join(import.meta.dirname, '../src/logger.ts');
    const script = `
    import { createLoggers } from ${JSON.stringify(logger)};
    const { daemon, dhcp } = createLoggers();
    for (let line = 0; line < 9000; line++) dhcp.info({ line }, 'é'.repeat(100));
    console.error('went on');
    process.stdin.resume();`;
    // A pipe of the shell's, not Node's socket pair: as journald, docker and a shell give one.
    const argv = [
      '-c',
      '"$0" --input-type=module --eval "$1" | (read -r go <&3; cat)',
      process.execPath,
      script,
    ];
    const child = spawn('sh', argv, { stdio: ['pipe', 'pipe', 'pipe', 'pipe'] });
    let log = '';
    child.stdout.on('data', (chunk: Buffer) => void (log += chunk.toString('utf8')));
    await once(child.stderr, 'data');
    t.pass('it went on');
    (child.stdio[3] as NodeJS.WritableStream).write('go\n');
    await until(() => /lines of the log are lost/.test(log));
    child.stdin.end();
    await once(child, 'close');
    const lines = log.trimEnd().split('\n');
    const read = lines.map((line) => JSON.parse(line) as { line?: number; lost?: number; part: string });
    const kept = read.filter(({ line }) => line !== undefined).map(({ line }) => line);
    t.same(
      kept,
      Array.from({ length: kept.length }, (_, line) => line),
      'in order, without a gap',
    );
    t.ok(kept.length > 500, 'what the pipe and the bound hold');
    t.match(read.at(-1), { part: 'daemon', lost: 9000 - kept.length });
  },
);

t.test('for the journal each line begins with its priority, whichever logger wrote it', async (t) => {
  let text = '';
  const destination = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString('utf8');
      done();
    },
  });
  const { dhcp, tftp } = createLoggers({ level: 'debug', priorities: true, destination });
  dhcp.debug('d');
  tftp.info('i');
  dhcp.warn('w');
  dhcp.error('e');
  tftp.fatal('f');
  const lines = text.trimEnd().split('\n');
  t.strictSame(
    lines.map((line) => line.slice(0, 4)),
    ['<7>{', '<6>{', '<4>{', '<3>{', '<2>{'],
  );
  t.match(JSON.parse(lines[1]?.slice(3) ?? ''), { part: 'tftp', msg: 'i' });
});
