import t from 'tap';
import { renderBootFiles } from '../../src/render/render-boot-files.ts';
import { fileOf, filesOf, unitsOf } from './support/cloud-config.ts';
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
  t.strictSame(names, [
    'tinderbox-hardware.service',
    'tinderbox-console.service',
    'tinderbox-report.service',
    'tinderbox-start.service',
  ]);
  for (const [path, content] of filesOf(config)) {
    t.notMatch(content, /mkfs|wipefs|sgdisk|^\s*mount /m, path);
  }
});

t.test('it tells what it is made of, and sends what its kernel prints where syslog is taken', async (t) => {
  const config = renderRole('rescue');
  t.match(
    fileOf(config, '/opt/tinderbox/console'),
    /\| logger --server 10\.77\.0\.1 --port 514 --udp --prio-prefix --tag kernel$/m,
  );
  t.match(
    fileOf(config, '/opt/tinderbox/send-hardware'),
    /--data-binary @- 'http:\/\/10\.77\.0\.1\/boot\/abc\/report'|report$/m,
  );
  t.match(unitsOf(config).at(-1)?.content, /start tinderbox-hardware\.service tinderbox-console\.service/);
  const off = renderRole('rescue', { server: { syslogPort: 0 } });
  t.notOk(filesOf(off).has('/opt/tinderbox/console'));
  t.notMatch(JSON.stringify(unitsOf(off)), /console\.service/);
});

t.test('roles that load nothing say so, and ask for nothing', async (t) => {
  for (const name of ['local', 'hold'] as const) {
    const { boot, config, identity, description } = shippedRole(name);
    t.strictSame({ boot, config, identity }, { boot: { kind: name }, config: undefined, identity: 'none' });
    t.ok(description.length > 20);
  }
});
