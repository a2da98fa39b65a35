import t from 'tap';
import { renderBootFiles } from '../../src/render/render-boot-files.ts';
import { filesOf, unitsOf } from './support/cloud-config.ts';
import { renderRole, roleContext, shippedRole } from './support/render-role.ts';

t.test('a machine that is looked at has a shell on its consoles, and its disks are left alone', async (t) => {
  const role = shippedRole('rescue');
  const files = renderBootFiles(role, roleContext(role, { parameters: { console: 'ttyS1' } }));
  t.strictSame(files?.cmdline, [
    'flatcar.first_boot=1',
    'cloud-config-url=http://10.77.0.1/boot/abc/cloud-config',
    'console=tty0',
    'console=ttyS1',
    'flatcar.autologin',
    'md_mod.start_ro=1',
    'systemd.gpt_auto=0',
    'systemd.swap=0',
  ]);
  const config = renderRole('rescue', { parameters: { sshAuthorizedKeys: ['key'] } });
  t.strictSame(config.users, [{ name: 'core', ssh_authorized_keys: ['key'] }]);
  const names = unitsOf(config).map(({ name }) => name);
  t.strictSame(names, ['tinderbox-report.service', 'tinderbox-start.service']);
  for (const [path, content] of filesOf(config)) {
    t.notMatch(content, /mkfs|wipefs|sgdisk|^\s*mount /m, path);
  }
});

t.test('roles that load nothing say so, and ask for nothing', async (t) => {
  for (const name of ['local', 'hold'] as const) {
    const { boot, config, identity, description } = shippedRole(name);
    t.strictSame({ boot, config, identity }, { boot: { kind: name }, config: undefined, identity: 'none' });
    t.ok(description.length > 20);
  }
});
