import type { Parameters, Role, TemplateSource } from '../../src/machine/role.ts';

/** A role without a configuration; its templates are texts. */
export function makeRole(name: string, parameters: Parameters = {}): Role {
  const file = `profiles/${name}/role.yaml`;
  const source = (text: string): TemplateSource => ({ file, text, line: 3 });
  return {
    name,
    description: `the role ${name}`,
    file,
    boot: { kernel: source('/assets/vmlinuz'), initrd: [source('/assets/initrd.gz')], cmdline: [] },
    identity: 'none',
    parameters,
  };
}
