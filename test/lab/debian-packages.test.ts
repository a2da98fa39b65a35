import { existsSync } from 'node:fs';
import t from 'tap';
import { ensureDebianPackages, missingDebianPackages } from '../../src/lab/debian-packages.ts';
import { runProgram } from '../../src/lab/run-program.ts';

const skip = existsSync('/usr/bin/dpkg-query') ? false : 'this is no Debian';

t.test('tells what is installed from what is not', { skip }, async (t) => {
  t.same(await missingDebianPackages(['dpkg', 'no-such-package-here', 'libc-bin']), ['no-such-package-here']);
  t.same(await ensureDebianPackages(['dpkg'], { log: () => t.fail('nothing is to be installed') }), []);
});

t.test(
  'a user without the right is given the exact command',
  { skip: skip || (process.getuid?.() === 0 ? false : 'needs root') },
  async (t) => {
    const script = `
    process.setgroups([]); process.setgid(65534); process.setuid(65534);
    const { ensureDebianPackages } = await import(${JSON.stringify(new URL('../../src/lab/debian-packages.ts', import.meta.url).href)});
    await ensureDebianPackages(['dpkg', 'no-such-package-here'], { log: console.log })
      .catch((e) => console.log(e.code + '|' + e.message + '|' + e.remedy));`;
    t.equal(
      (await runProgram([process.execPath, '--input-type=module', '-e', script])).trim(),
      'refused|Debian packages are missing: no-such-package-here|' +
        'Run once: sudo apt-get install --no-install-recommends no-such-package-here',
    );
  },
);

t.test('a program that fails, hangs or is missing is one error', async (t) => {
  await t.rejects(runProgram(['sh', '-c', 'echo why >&2; exit 3']), {
    code: 'internal',
    message: /ended with 3: why$/,
  });
  await t.rejects(runProgram(['sleep', '60'], { timeout: 10 }), {
    message: /sleep 60 was stopped by SIGKILL/,
  });
  await t.rejects(runProgram(['/no/such/program']), {
    code: 'not-found',
    message: /cannot run \/no\/such\/program/,
  });
  t.equal(await runProgram(['cat'], { input: 'through' }), 'through');
});
