import { readFile } from 'node:fs/promises';
import t from 'tap';
import { DAEMON_FLAGS } from '../../bench/support/daemon-flags.ts';

void t.test('a bench runs parts of the daemon with the flags that the daemon has', async (t) => {
  const launcher = await readFile(new URL('../../bin/tinderbox', import.meta.url), 'utf8');
  t.ok(launcher.includes(`exec "$node" ${DAEMON_FLAGS.join(' ')} `));
});
