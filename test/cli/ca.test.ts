import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import t from 'tap';
import { addCaCommand } from '../../src/cli/ca.ts';
import { reportFailure } from '../../src/cli/exit.ts';
import { makeFolder, makeForeignAuthority, open } from '../pki/support/make-cluster.ts';

interface Said {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

/** A site whose paths are relative to its file. */
function makeSite(t: { teardown(then: () => void): void }) {
  const folder = makeFolder(t);
  mkdirSync(join(folder, 'profiles'));
  writeFileSync(join(folder, 'tinderbox.yaml'), 'network: { interface: lo }\ndhcp: { mode: off }\n');
  const run = async (...argv: readonly string[]): Promise<Said> => {
    let out = '';
    let err = '';
    const context = {
      out: (text: string) => void (out += text),
      err: (text: string) => void (err += text),
      fail: () => undefined,
    };
    const program = new Command('tinderbox').option('--config <file>').exitOverride();
    addCaCommand(program, context);
    try {
      await program.parseAsync(['--config', join(folder, 'tinderbox.yaml'), 'ca', ...argv], { from: 'user' });
      return { out, err, code: 0 };
    } catch (thrown) {
      const { text, code } = reportFailure(thrown, false);
      return { out, err: err + text, code };
    }
  };
  return { folder, state: join(folder, 'var'), run };
}

t.test('ca show prints what the daemon made, and nothing secret', async (t) => {
  const { state, run } = makeSite(t);
  t.match(await run('show'), { code: 1, err: /there are no authorities in .*\/var\/pki yet/ });
  await open(state);
  const { out, code } = await run('show');
  t.equal(code, 0);
  t.match(out, /^kubernetes\n {2}subject +CN=kubernetes\n {2}key +RSA 2048\n/);
  t.match(out, /\n {2}valid +\d{4}-\d\d-\d\d to \d{4}-\d\d-\d\d \(365\d days left\)\n/);
  const json = await run('show', '--json');
  t.match(JSON.parse(json.out), [{ name: 'kubernetes' }, { name: 'etcd' }, { name: 'front-proxy' }]);
  t.notMatch(out + json.out, /PRIVATE|BEGIN/);
});

t.test('ca import takes over what kubeadm left', async (t) => {
  const { folder, run } = makeSite(t);
  const from = join(folder, 'kubeadm');
  mkdirSync(join(from, 'etcd'), { recursive: true });
  t.match(await run('import', '--from', from), { code: 1, err: /has neither ca.crt/ });
  for (const name of ['ca', 'etcd/ca', 'front-proxy-ca']) {
    const { certificate, key } = makeForeignAuthority(folder, { name: name.replace('/', '-') });
    writeFileSync(join(from, `${name}.crt`), readFileSync(certificate));
    writeFileSync(join(from, `${name}.key`), readFileSync(key));
  }
  const first = await run('import', '--from', from);
  t.match(first, { code: 0, err: '' });
  t.equal(
    first.out,
    'kubernetes: CN=ca is imported\netcd: CN=etcd-ca is imported\nfront-proxy: CN=front-proxy-ca is imported\n',
  );
  t.match(await run('import', '--from', from), { code: 0, out: /etcd: was imported already/ });
  rmSync(join(from, 'ca.key'));
  const half = await run('import', '--from', from);
  t.match(half, { code: 1, err: /ca\.key: cannot be read: ENOENT/ });
});

t.test('ca import --authority replaces only if told so, and can trust one more', async (t) => {
  const { folder, state, run } = makeSite(t);
  await open(state);
  const { certificate, key } = makeForeignAuthority(folder);
  const given = ['import', '--authority', 'etcd', '--certificate', certificate, '--key', key];
  t.match(await run(...given), { code: 1, err: /has another etcd already/ });
  const trusted = await run('import', '--authority', 'etcd', '--trust', certificate);
  t.match(trusted, { code: 0, out: /also trusted +CN=foreign/ });
  t.match(await run('rotate-plan'), { code: 0, out: /etcd: expires .*under way/ });
  t.match(await run(...given, '--replace'), { code: 0, out: 'etcd: CN=foreign is imported\n' });
  const [, etcd] = JSON.parse((await run('show', '--json')).out) as {
    alsoTrusted: { fingerprint: string }[];
  }[];
  const fingerprint = etcd?.alsoTrusted[0]?.fingerprint ?? '';
  const last = await run('import', '--authority', 'etcd', '--distrust', fingerprint);
  t.match(last, { code: 0 });
  t.notMatch(last.out, /also trusted/);
  t.match(await run('rotate-plan'), { out: /etcd: expires .*nothing to do now/ });
});

t.test('options that do not go together are wrong usage', async (t) => {
  const { run } = makeSite(t);
  const rows: [readonly string[], RegExp][] = [
    [[], /give one of/],
    [['--from', 'x', '--trust', 'y'], /give one of/],
    [['--from', 'x', '--authority', 'etcd'], /takes all of them/],
    [['--certificate', 'x', '--key', 'y'], /--authority is missing/],
    [['--authority', 'etcd', '--certificate', 'x'], /go together/],
  ];
  for (const [argv, err] of rows) t.match(await run('import', ...argv), { code: 2, err }, argv.join(' '));
  t.match(
    await run('import', '--authority', 'etcd', '--certificate', '/nowhere/a', '--key', '/nowhere/b'),
    { code: 1, err: /\/nowhere\/a: cannot be read[\s\S]*\/nowhere\/b: cannot be read/ },
    'both files are named',
  );
});
