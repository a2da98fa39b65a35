import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { copyJoinProfiles } from '../../src/lab/copy-join-profiles.ts';

const ROOT = join(import.meta.dirname, '../..');
const APPLY = join(ROOT, 'src/lab/apply-cloud-config.awk');
const CONFIG = `network: { interface: lo }
dhcp: { mode: 'off' }
admin: { socket: /run/tinderbox-test-of-nobody.sock }
cluster:
  name: kubernetes
  apiServer: https://10.77.0.1:6443
  podNetwork: 10.2.0.0/16
  serviceNetwork: 10.3.0.0/24
  dnsDomain: cluster.local
`;
const MAC = '52:54:00:00:00:0a';

/** What a machine of the role has in its files, by the programs that it has. */
async function machineOf(folder: string, role: string, misbehave: boolean): Promise<string> {
  const site = join(folder, role);
  mkdirSync(join(site, 'profiles'), { recursive: true });
  await copyJoinProfiles(join(site, 'profiles'));
  writeFileSync(join(site, 'tinderbox.yaml'), CONFIG);
  const entry = `{ role: ${role}, hostname: node-a, parameters: { misbehave: ${misbehave} } }`;
  writeFileSync(join(site, 'profiles/machines.yaml'), `machines:\n  ${MAC}: ${entry}\n`);
  const argv = ['render', '--only', 'config', MAC, '--config', join(site, 'tinderbox.yaml')];
  const config = execFileSync(join(ROOT, 'bin/tinderbox'), argv, { encoding: 'utf8' });
  const root = join(site, 'root');
  mkdirSync(root);
  const { status, stderr } = spawnSync('busybox', ['awk', '-v', `root=${root}`, '-f', APPLY], {
    input: config,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return root;
}

const rows = [
  { role: 'join', misbehave: true, scripts: ['get-certificates', 'misbehave', 'register-node', 'start'] },
  { role: 'join-issued', misbehave: true, scripts: ['misbehave', 'register-node', 'start'] },
  { role: 'join', misbehave: false, scripts: ['get-certificates', 'register-node', 'start'] },
  { role: 'join-issued', misbehave: false, scripts: ['register-node', 'start'] },
];

for (const { role, misbehave, scripts } of rows) {
  t.test(`the live image applies what role ${role} is served, misbehave: ${misbehave}`, async (t) => {
    const root = await machineOf(t.testdir(), role, misbehave);
    const folder = join(root, 'opt/tinderbox');
    t.same(readdirSync(folder).toSorted(), scripts);
    for (const name of scripts) {
      t.equal(statSync(join(folder, name)).mode & 0o777, 0o755);
      const { status, stdout } = spawnSync('shellcheck', ['-s', 'sh', join(folder, name)], {
        encoding: 'utf8',
      });
      t.equal(status, 0, stdout);
    }
    t.notMatch(readFileSync(join(folder, 'register-node'), 'utf8'), /=$/m, 'it knows all that it needs');
    t.match(readFileSync(join(root, 'etc/kubernetes/pki/ca.crt'), 'utf8'), /^-----BEGIN CERTIFICATE-----\n/);
    const keys = readdirSync(join(root, 'etc/kubernetes/pki')).filter((name) => name.endsWith('.key'));
    t.same(keys, role === 'join' ? [] : ['kubelet.key'], 'keys travel only where they are issued');
  });
}
