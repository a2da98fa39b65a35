import { TinderboxError } from './errors.ts';
import type { Role } from './machine/role.ts';

/**
 * Throws TinderboxError `refused` for a role in another dialect: what takes a configuration apart, or puts it on an image
 * for coreos-cloudinit, knows cloud-config, and would leave out in silence what the others say in other words.
 */
export function requireCloudConfig({ name, config }: Role, purpose: string): void {
  if (config === undefined || config.format === 'cloud-config') return;
  const others =
    config.isDescription === true ? 'Say format: cloud-config in a copy of the role.' : undefined;
  throw new TinderboxError(
    'refused',
    `${purpose} is made of a cloud-config; role ${name} has ${config.format}`,
    {
      remedy: others ?? 'Use a role whose format is cloud-config.',
    },
  );
}
