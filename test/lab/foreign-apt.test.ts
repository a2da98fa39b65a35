import { existsSync } from 'node:fs';
import t from 'tap';
import { aptFor } from '../../src/lab/foreign-apt.ts';
import { runProgram } from '../../src/lab/run-program.ts';

const own = process.arch === 'x64' ? 'amd64' : 'arm64';
const foreign = own === 'amd64' ? 'arm64' : 'amd64';

t.test("this host's packages are asked for as always", async (t) => {
  const folder = t.testdir();
  t.same(await aptFor(own, folder), { options: [] });
  t.notOk(existsSync(`${folder}/apt-${own}`));
});

t.test(
  "another processor's have lists of their own, and nothing of this system counts as installed",
  async (t) => {
    const folder = t.testdir();
    const { options, update } = await aptFor(foreign, folder);
    t.type(update, 'function');
    const settings = await runProgram(['apt-config', ...options, 'dump']);
    t.match(settings, `APT::Architecture "${foreign}";`);
    t.match(settings, `Dir::State::lists "${folder}/apt-${foreign}/lists";`);
    t.notMatch(settings, new RegExp(`APT::Architectures:: "${own}"`));
    // It reads no list of this system's: there is nothing yet.
    const known = await runProgram(['apt-cache', ...options, 'pkgnames']);
    t.equal(known.trim(), '');
  },
);
