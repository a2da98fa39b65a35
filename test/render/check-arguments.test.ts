import t from 'tap';
import type { ConfigFormat, Role } from '../../src/machine/role.ts';
import { checkArguments } from '../../src/render/check-arguments.ts';
import { roleOf } from './read-shipped-role.ts';

const SESSION = 'http://10.77.0.1/boot/1-abc';

function complaintsOf(format: ConfigFormat, argument: string): readonly string[] {
  const base = roleOf('');
  const role: Role = { ...base, config: { format, template: { file: 'c.hbs', text: '', line: 1 } } };
  const files = { kernel: '/assets/vmlinuz', initrd: [], cmdline: ['quiet', argument] };
  return checkArguments(role, files, SESSION).map(({ severity, message }) => `${severity}: ${message}`);
}

t.test('an argument of another system than the format is for is told', async (t) => {
  const table: readonly [ConfigFormat, string, RegExp | undefined][] = [
    ['cloud-config', `cloud-config-url=${SESSION}/cloud-config`, undefined],
    ['nocloud', `ds=nocloud;dsmode=net;s=${SESSION}/nocloud/`, undefined],
    ['nocloud', `ds=nocloud-net;s=${SESSION}/nocloud/`, undefined],
    ['ignition', `ignition.config.url=${SESSION}/ignition`, undefined],
    ['raw', `preseed/url=${SESSION}/raw`, undefined],
    ['raw', `inst.ks=${SESSION}/raw`, undefined],
    ['raw', `talos.config=${SESSION}/raw`, undefined],
    ['nocloud', 'url=http://10.77.0.1/assets/ubuntu.iso', undefined],
    ['nocloud', 'ds=nocloud;s=/var/seed/', undefined],
    [
      'nocloud',
      `cloud-config-url=${SESSION}/nocloud/`,
      /^warning: role test: coreos-cloudinit reads `cloud-config-url=`, and the configuration of the role is nocloud/,
    ],
    [
      'cloud-config',
      `ds=nocloud;dsmode=net;s=${SESSION}/cloud-config`,
      /cloud-init reads .* is cloud-config/,
    ],
    ['raw', `ignition.config.url=${SESSION}/raw`, /Ignition reads .* is raw/],
    ['nocloud', `ds=nocloud;s=${SESSION}/nocloud/`, /fetches what .* names, and does not apply it/],
    ['nocloud', `ds=nocloud;dsmode=net;s=${SESSION}/nocloud`, /does not end with a slash/],
  ];
  for (const [format, argument, expected] of table) {
    const [first, ...more] = complaintsOf(format, argument);
    if (expected === undefined) t.equal(first, undefined, argument);
    else t.match(first, expected, argument);
    t.strictSame(more, []);
  }
});

t.test('a role that loads no kernel, or has no configuration, has none of it', async (t) => {
  const { config: _, ...bare } = roleOf('');
  t.strictSame(
    checkArguments(bare, { kernel: '', initrd: [], cmdline: [`ds=nocloud;s=${SESSION}`] }, SESSION),
    [],
  );
  t.strictSame(checkArguments({ ...roleOf(''), boot: { kind: 'local' } }, undefined, SESSION), []);
});
