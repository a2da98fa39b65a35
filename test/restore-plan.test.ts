import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import t from 'tap';
import { loadConfig } from '../src/config/load.ts';
import { checkState } from '../src/preflight-state.ts';
import { continueRestore } from '../src/restore-backup.ts';
import { makeSite } from './support/make-site.ts';
import {
  backUp,
  emptyFolder,
  leasesOf,
  NOW,
  PASSPHRASE,
  restore,
  STAMP,
  snapshot,
} from './support/restore-site.ts';

// A process and a slow key for each step.
t.setTimeout(600_000);

t.test('killed at any moment: all old, or a state that is said and finished', async (t) => {
  const config = await makeSite(t, { leases: 1 });
  const file = await backUp(t, config);
  // What is there by now differs in every part.
  const template = dirname(config.file);
  writeFileSync(join(config.paths.profiles, 'machines.yaml'), 'default: none\n');
  writeFileSync(config.file, `${readFileSync(config.file, 'utf8')}# now\n`);
  writeFileSync(join(config.paths.state, 'session-key'), Buffer.alloc(32, 1));
  const script = `
    import { restoreBackup, RESTORE_PARTS } from ${JSON.stringify(import.meta.resolve('../src/restore-backup.ts'))};
    const [file, configFile, at] = process.argv.slice(1);
    let step = 0;
    await restoreBackup({
      file, configFile, parts: RESTORE_PARTS, dryRun: false, force: true, now: ${NOW},
      passphrase: async () => ${JSON.stringify(PASSPHRASE)}, refuseDaemon: async () => {},
      onStep: () => { if (step++ === Number(at)) process.kill(process.pid, 'SIGKILL'); },
    });`;
  const { NODE_OPTIONS: _, ...env } = process.env;
  let finished = false;
  let halves = 0;
  for (let at = 0; !finished; at++) {
    const folder = emptyFolder(t);
    cpSync(template, folder, { recursive: true, verbatimSymlinks: true });
    const configFile = join(folder, basename(config.file));
    const before = snapshot(folder);
    const argv = ['--input-type=module', '-e', script, file, configFile, String(at)];
    const child = spawn(process.execPath, argv, { stdio: 'inherit', env });
    const [code] = await once(child, 'exit');
    finished = code === 0;
    const { config: there } = await loadConfig(configFile, {});
    const problems = await checkState(there);
    const planned = existsSync(`${configFile}.restoring`);
    if (planned) {
      halves++;
      t.match(problems, [
        { severity: 'error', message: /interrupted half-way/, remedy: /restore --continue/ },
      ]);
      await t.rejects(restore(file, configFile), { code: 'refused', remedy: /--continue/ });
      await continueRestore(configFile);
    } else if (at === 0) {
      const now = snapshot(folder);
      for (const [name, content] of Object.entries(before))
        t.equal(now[name], content, `${name} is as it was`);
      await restore(file, configFile, { force: true });
    }
    // However it came there: all of the backup, and all of what was there beside it.
    t.equal(readFileSync(join(folder, 'profiles/machines.yaml'), 'utf8'), 'default: worker # mine\n');
    t.notMatch(readFileSync(configFile, 'utf8'), /now/);
    t.notOk(readFileSync(join(folder, 'var/session-key')).equals(Buffer.alloc(32, 1)));
    t.same(await leasesOf(join(folder, 'var')), [0x0a4d0064]);
    t.equal(readFileSync(join(folder, `profiles.${STAMP}/machines.yaml`), 'utf8'), 'default: none\n');
    t.match(readFileSync(`${configFile}.${STAMP}`, 'utf8'), /now/);
    t.same(
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /restoring/.test(name)),
      [],
      'nothing is left of the way there',
    );
    await t.rejects(continueRestore(configFile), { code: 'not-found' });
  }
  t.equal(halves, 11, 'each step of the plan was tried: the plan, five times aside and in place');
});
