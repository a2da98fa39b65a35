import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isMap, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { buildMenu } from '../../src/catalog/build-menu.ts';
import type { RawRole } from '../../src/catalog/schema.ts';
import { type Credentials, DEFAULT_CREDENTIALS } from '../../src/machine/identity.ts';
import type {
  BootAction,
  ConfigFormat,
  Parameters,
  Partials,
  Role,
  TemplateSource,
} from '../../src/machine/role.ts';
import { noIdentity, type TemplateContext } from '../../src/render/context.ts';

type RawMenu = Extract<RawRole['boot'], { menu: unknown }>['menu'];

const read = (path: string): TemplateSource => ({ file: path, text: readFileSync(path, 'utf8'), line: 1 });

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
  const list = (key: string) => {
    const given = isMap(boot) ? boot.get(key, true) : undefined;
    return isSeq(given) ? given.items.map(source) : [];
  };
  const readBoot = (): BootAction => {
    if (!isMap(boot)) return { kind: boot === 'local' ? 'local' : 'hold' };
    const { menu } = boot.toJSON() as { menu?: RawMenu };
    if (menu !== undefined) return buildMenu(menu, () => 1);
    return {
      kind: 'kernel',
      kernel: source(boot.get('kernel', true)),
      initrd: list('initrd'),
      cmdline: list('cmdline'),
      ...(boot.get('handsOver') === true ? { handsOver: true } : {}),
    };
  };
  const data = document.toJS() as {
    description: string;
    identity?: Role['identity'];
    credentials?: Partial<Credentials>;
    config?: Partial<Record<'template' | 'description' | 'contentType', string>> & {
      format: ConfigFormat;
      files?: Record<string, string>;
    };
    parameters: Parameters;
  };
  const { config } = data;
  const files = Object.entries(config?.files ?? {}).map(
    ([key, path]) => [key, read(join(folder, name, path))] as const,
  );
  return {
    name,
    description: data.description,
    file,
    boot: readBoot(),
    ...(config === undefined
      ? {}
      : {
          config: {
            format: config.format,
            template: read(join(folder, name, config.template ?? config.description ?? '')),
            ...(config.description === undefined ? {} : { isDescription: true }),
            ...(config.contentType === undefined ? {} : { contentType: config.contentType }),
            ...(files.length === 0 ? {} : { files: new Map(files) }),
          },
        }),
    identity: data.identity ?? 'none',
    credentials: { ...DEFAULT_CREDENTIALS, ...data.credentials },
    parameters: data.parameters ?? {},
    partials: readShippedPartials(folder),
  };
}

function readShippedPartials(folder: string): Partials {
  const partials = join(folder, 'partials');
  const names = existsSync(partials) ? readdirSync(partials).toSorted() : [];
  return new Map(
    names
      .filter((name) => name.endsWith('.hbs'))
      .map((name) => [
        name.split('.')[0] ?? name,
        { file: join(partials, name), text: readFileSync(join(partials, name), 'utf8'), line: 1 },
      ]),
  );
}

/** A role made of one template. */
export function roleOf(template: string, parameters: Parameters = {}, partials: Partials = new Map()): Role {
  return {
    name: 'test',
    description: '',
    file: 'role.yaml',
    boot: {
      kind: 'kernel',
      kernel: { file: 'role.yaml', text: '/assets/vmlinuz', line: 3 },
      initrd: [{ file: 'role.yaml', text: '/assets/initrd.img', line: 4 }],
      cmdline: [{ file: 'role.yaml', text: 'console=ttyS0', line: 5 }],
    },
    config: { format: 'cloud-config', template: { file: 'config.hbs', text: template, line: 1 } },
    identity: 'none',
    credentials: DEFAULT_CREDENTIALS,
    parameters,
    partials,
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
      labels: {},
    },
    role: role.name,
    parameters: role.parameters,
    cluster: {
      name: 'kubernetes',
      apiServer: 'https://10.77.0.10:6443',
      apiServerHost: '10.77.0.10',
      apiServerPort: 6443,
      podNetwork: '10.2.0.0/16',
      serviceNetwork: '10.3.0.0/24',
      serviceIP: '10.3.0.1',
      dnsServiceIP: '10.3.0.10',
      dnsDomain: 'cluster.local',
      controllers: [{ hostname: 'master-1', address: '10.77.0.10' }],
      etcd: [{ hostname: 'master-1', address: '10.77.0.10' }],
      etcdEndpoints: ['https://10.77.0.10:2379'],
    },
    server: { address: '10.77.0.1', url: 'http://10.77.0.1', syslogPort: 514 },
    bootId: 'i-525400123456-1',
    configUrl: 'http://10.77.0.1/boot/abc/cloud-config',
    reportUrl: 'http://10.77.0.1/boot/abc/report',
    assetsUrl: 'http://10.77.0.1/assets',
    identity: noIdentity('node-123456'),
    ...changes,
  };
}
