import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import type { Parameters, Role, TemplateSource } from '../../src/machine/role.ts';
import type { TemplateContext } from '../../src/render/context.ts';

/** A role's folder as it ships, read by the plainest means, so that rendering is tested by itself. */
export function readShippedRole(folder: string, name: string): Role {
  const file = join(folder, name, 'role.yaml');
  const lineCounter = new LineCounter();
  const document = parseDocument(readFileSync(file, 'utf8'), { lineCounter });
  const source = (node: unknown): TemplateSource => {
    const { line, col } = lineCounter.linePos((node as Node).range?.[0] ?? 0);
    return { file, text: String((node as { value: unknown }).value), line, column: col };
  };
  const boot = document.get('boot');
  if (!isMap(boot)) throw new Error(`${file} has no boot block`);
  const list = (key: string) => {
    const given = boot.get(key, true);
    return isSeq(given) ? given.items.map(source) : [];
  };
  const data = document.toJS() as {
    description: string;
    identity: Role['identity'];
    config?: { template: string };
    parameters: Parameters;
  };
  const template = data.config === undefined ? undefined : join(folder, name, data.config.template);
  return {
    name,
    description: data.description,
    file,
    boot: { kernel: source(boot.get('kernel', true)), initrd: list('initrd'), cmdline: list('cmdline') },
    ...(template === undefined
      ? {}
      : {
          config: {
            format: 'cloud-config',
            template: { file: template, text: readFileSync(template, 'utf8'), line: 1 },
          },
        }),
    identity: data.identity,
    parameters: data.parameters,
  };
}

/** A role made of one template. */
export function roleOf(template: string, parameters: Parameters = {}): Role {
  return {
    name: 'test',
    description: '',
    file: 'role.yaml',
    boot: {
      kernel: { file: 'role.yaml', text: '/assets/vmlinuz', line: 3 },
      initrd: [{ file: 'role.yaml', text: '/assets/initrd.img', line: 4 }],
      cmdline: [{ file: 'role.yaml', text: 'console=ttyS0', line: 5 }],
    },
    config: { format: 'cloud-config', template: { file: 'config.hbs', text: template, line: 1 } },
    identity: 'none',
    parameters,
  };
}

export function contextOf(role: Role, changes: Partial<TemplateContext> = {}): TemplateContext {
  return {
    machine: {
      mac: '52:54:00:12:34:56',
      hostname: 'node-123456',
      address: '',
      prefix: 0,
      gateway: '',
      dns: [],
      uuid: '0b2c7ed1-1f8e-4f60-9d75-2b7f0d2a8f11',
      serial: 'S1',
      arch: 'x86_64',
      manufacturer: 'QEMU',
      product: 'Standard PC',
    },
    role: role.name,
    parameters: role.parameters,
    cluster: {
      name: 'kubernetes',
      apiServer: 'https://10.77.0.1:6443',
      podNetwork: '10.2.0.0/16',
      serviceNetwork: '10.3.0.0/24',
      dnsServiceIP: '10.3.0.10',
      dnsDomain: 'cluster.local',
    },
    server: { address: '10.77.0.1', url: 'http://10.77.0.1' },
    configUrl: 'http://10.77.0.1/boot/abc/cloud-config',
    reportUrl: 'http://10.77.0.1/boot/abc/report',
    assetsUrl: 'http://10.77.0.1/assets',
    ...changes,
  };
}
