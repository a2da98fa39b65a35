import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { runCli } from '../../src/cli/program.ts';
import { makeFolder } from '../pki/support/make-cluster.ts';

const hasXorriso = spawnSync('xorriso', ['-version']).status === 0;
const skip = hasXorriso ? false : 'xorriso is not installed';
const MAC = '52:54:00:12:34:56';

const role = (config: string): string => `boot: { kernel: /assets/vmlinuz }\nconfig: ${config}\n`;

function makeSite(t: Test) {
  const folder = makeFolder(t);
  const files = {
    'tinderbox.yaml': 'network: { interface: nowhere0 }\n',
    'profiles/live/role.yaml': role(
      '{ format: nocloud, template: u.hbs, files: { network-config: n.hbs } }\nparameters: { greeting: hello }',
    ),
    'profiles/live/u.hbs':
      '#cloud-config\nhostname: {{machine.hostname}}\nfinal_message: {{quote parameters.greeting}}\n',
    'profiles/live/n.hbs': 'version: 2\nethernets: {all: {match: {name: "e*"}, dhcp4: true}}\n',
    'profiles/install/role.yaml': role('{ format: raw, template: p.hbs }'),
    'profiles/install/p.hbs': 'd-i x/y string z\n',
    'profiles/machines.yaml': `default: none
machines:
  "${MAC}": { role: live, hostname: live-1 }
  "52:54:00:12:34:57": { role: live, hostname: live-2, parameters: { greeting: bye } }
  "52:54:00:12:34:58": { role: install, hostname: disk-1 }
`,
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const run = async (...argv: readonly string[]) => {
    let said = '';
    const code = await runCli([...argv, '--config', join(folder, 'tinderbox.yaml')], {
      out: (text) => void (said += text),
      err: (text) => void (said += text),
    });
    return { code, said };
  };
  const unpack = (name: string): string => {
    const to = join(folder, `${name}.d`);
    execFileSync('xorriso', ['-osirrox', 'on', '-indev', join(folder, name), '-extract', '/', to], {
      stdio: 'pipe',
    });
    return to;
  };
  return { folder, run, unpack };
}

/** ISO 9660: the volume identifier of the primary descriptor. */
const labelOf = (iso: string): string => readFileSync(iso).subarray(32_808, 32_840).toString('latin1').trim();

t.test('of a nocloud role it is the volume that cloud-init looks for', { skip }, async (t) => {
  const { folder, run, unpack } = makeSite(t);
  const iso = join(folder, 'a.iso');
  t.match(await run('iso', MAC, '--out', iso), { code: 0 });
  t.equal(labelOf(iso), 'cidata');
  const tree = unpack('a.iso');
  t.strictSame(readdirSync(tree).toSorted(), ['meta-data', 'network-config', 'user-data']);
  t.match(readFileSync(join(tree, 'user-data'), 'utf8'), /^#cloud-config\nhostname: live-1\n/);
  const first = parse(readFileSync(join(tree, 'meta-data'), 'utf8')) as Record<string, string>;
  t.match(first, { 'instance-id': /^i-525400123456-[0-9a-f]{12}$/, 'local-hostname': 'live-1' });

  const again = join(folder, 'b.iso');
  t.match(await run('iso', '--from', tree, '--out', again), { code: 0 });
  t.equal(labelOf(again), 'cidata');
  t.ok(readFileSync(iso).equals(readFileSync(again)), 'the same content is the same image');

  writeFileSync(
    join(folder, 'profiles/live/u.hbs'),
    '#cloud-config\nhostname: {{machine.hostname}}\nfinal_message: x\n',
  );
  t.match(await run('iso', MAC, '--out', join(folder, 'c.iso')), { code: 0 });
  const other = parse(readFileSync(join(unpack('c.iso'), 'meta-data'), 'utf8')) as Record<string, string>;
  t.not(
    other['instance-id'],
    first['instance-id'],
    'cloud-init configures an instance once: this is another one',
  );

  writeFileSync(join(tree, 'user-data'), '#cloud-config\nhostnme: x\n');
  const bad = await run('iso', '--from', tree, '--out', again);
  t.equal(bad.code, 1);
  t.match(bad.said, /user-data.*did you mean `hostname`/s);
});

t.test('what no system looks for on an image is refused, and skipped among all', { skip }, async (t) => {
  const { folder, run } = makeSite(t);
  const one = await run('iso', '52:54:00:12:34:58', '--out', join(folder, 'x.iso'));
  t.equal(one.code, 1);
  t.match(one.said, 'role install is raw, which no system looks for on an image');
  const all = await run('iso', '--all', join(folder, 'images'));
  t.match(all, { code: 0, said: /58: skipped, role install has no configuration to put on an image/ });
  t.strictSame(readdirSync(join(folder, 'images')).toSorted(), ['live-1.iso', 'live-2.iso']);
  const laid = await run('render', '--role', 'live', '--out', join(folder, 'host'), '--address', '10.77.0.5');
  t.equal(laid.code, 1);
  t.match(laid.said, 'the configuration of role live is nocloud, and only a cloud-config is taken apart');
});

t.test('render shows every file of a role, and one alone', async (t) => {
  const { run } = makeSite(t);
  const whole = await run('render', MAC);
  t.equal(whole.code, 0);
  t.match(
    whole.said,
    /#cloud-config\nhostname: live-1\n[^]*# --- nocloud\/meta-data ---\ninstance-id: "i-525400123456-preview"/,
  );
  t.match(whole.said, /# --- nocloud\/network-config ---\nversion: 2/);
  const one = await run('render', MAC, '--only', 'nocloud/network-config');
  t.match(one.said, /^version: 2\n/);
  const none = await run('render', MAC, '--only', 'nocloud/vendor-data');
  t.match(none, {
    code: 2,
    said: /role live gives no nocloud\/vendor-data[^]*It gives: script, grub, config, nocloud\/meta-data/,
  });
  const json = await run('render', MAC, '--json');
  t.match(json.said, /"path": "nocloud\/meta-data"/);
});
