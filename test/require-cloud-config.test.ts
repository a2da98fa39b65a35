import t from 'tap';
import type { RoleConfig } from '../src/machine/role.ts';
import { requireCloudConfig } from '../src/require-cloud-config.ts';
import { makeRole } from './support/make-role.ts';

t.test('what is made of a cloud-config is refused for a role in another dialect', async (t) => {
  const template = { file: 'x', text: '', line: 1 };
  const role = (config: Omit<RoleConfig, 'template'>) => ({
    ...makeRole('web'),
    config: { ...config, template },
  });
  t.doesNotThrow(() => requireCloudConfig(makeRole('web'), 'an image'));
  t.doesNotThrow(() => requireCloudConfig(role({ format: 'cloud-config', isDescription: true }), 'an image'));
  for (const format of ['ignition', 'nocloud', 'raw'] as const) {
    t.throws(() => requireCloudConfig(role({ format }), 'an image'), {
      code: 'refused',
      message: `an image is made of a cloud-config; role web has ${format}`,
    });
  }
  t.throws(() => requireCloudConfig(role({ format: 'ignition', isDescription: true }), 'an image'), {
    code: 'refused',
    remedy: 'Say format: cloud-config in a copy of the role.',
  });
});
