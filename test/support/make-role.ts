import { DEFAULT_CREDENTIALS } from '../../src/machine/identity.ts';
import type { Parameters, Role, TemplateSource } from '../../src/machine/role.ts';

/** A role without a configuration; its templates are texts. */
export function makeRole(name: string, parameters: Parameters = {}): Role {
  const file = `profiles/${name}/role.yaml`;
  const source = (text: string): TemplateSource => ({ file, text, line: 3 });
  return {
    name,
    description: `the role ${name}`,
    file,
    boot: {
      kind: 'kernel',
      kernel: source('/assets/vmlinuz'),
      initrd: [source('/assets/initrd.gz')],
      cmdline: [],
    },
    identity: 'none',
    credentials: DEFAULT_CREDENTIALS,
    parameters,
    partials: new Map(),
  };
}
