import { gunzipSync } from 'node:zlib';
import { parse } from 'yaml';
import { TinderboxError } from '../errors.ts';
import type { CloudConfig, CloudConfigFile, CloudConfigUnit } from './cloud-config-schema.ts';

/** A file of a host, as coreos-cloudinit would write it. */
export interface LaidOutFile {
  /** Absolute on the host, without `..`. */
  readonly path: string;
  readonly content: Buffer;
  readonly mode: number;
  /** `user` or `user:group`. */
  readonly owner: string;
}

/** What a cloud-config does to a host: its files, then what is done with systemd, in order. */
export interface LaidOutConfig {
  readonly files: readonly LaidOutFile[];
  readonly steps: readonly SystemdStep[];
  /** What is no file and no unit, each a sentence: an installed host has its own. */
  readonly left: readonly string[];
}

export interface SystemdStep {
  readonly verb: string;
  readonly unit: string;
}

/** Starts again at each boot what coreos-cloudinit would: units of its configurations need no [Install]. */
export const BOOT_UNIT = 'tinderbox-role.service';

/**
 * Takes a cloud-config that was checked (render-config.ts) apart. Throws TinderboxError `invalid-template` on content
 * that cannot be unpacked, and on a path that leads out of where it seems to.
 */
export function layOutConfig(body: string, role: string): LaidOutConfig {
  // YAML 1.1, as coreos-cloudinit reads it.
  const config = parse(body, { version: '1.1', logLevel: 'error' }) as CloudConfig;
  const units = config.coreos?.units ?? [];
  const steps = units.flatMap(stepsOf);
  const boot = bootUnit(units, role);
  const files = [
    ...(config.write_files ?? []).map(fileOf),
    ...units.flatMap(unitFiles),
    ...(boot === undefined ? [] : [unitFile(`${SYSTEM}/${BOOT_UNIT}`, boot)]),
  ];
  return {
    files: files.map((file) => ({ ...file, path: safePath(file.path) })),
    steps: [...steps, ...(boot === undefined ? [] : [{ verb: 'enable', unit: BOOT_UNIT }])],
    left: leftOf(config),
  };
}

const SYSTEM = '/etc/systemd/system';
const NETWORK = '/etc/systemd/network';
const isNetwork = (name: string): boolean => /\.(network|netdev|link)$/.test(name);
const folderOf = (name: string): string => (isNetwork(name) ? NETWORK : SYSTEM);

function fileOf({ path, content = '', encoding, owner, permissions }: CloudConfigFile): LaidOutFile {
  return {
    path,
    content: decode(path, content, encoding),
    mode: permissions === undefined ? 0o644 : Number.parseInt(permissions, 8),
    owner: owner === undefined || owner === '' ? 'root' : owner,
  };
}

function decode(path: string, content: string, encoding = ''): Buffer {
  const bytes = /^(b64|base64)$|\+/.test(encoding) ? Buffer.from(content, 'base64') : Buffer.from(content);
  if (!/^(gz|gzip)\b/.test(encoding)) return bytes;
  try {
    return gunzipSync(bytes, { maxOutputLength: 64 * 1024 * 1024 });
  } catch (cause) {
    throw new TinderboxError('invalid-template', `the content of ${path} is not ${encoding}`, { cause });
  }
}

function unitFiles({ name, content, drop_ins: dropIns = [] }: CloudConfigUnit): readonly LaidOutFile[] {
  const folder = folderOf(name);
  return [
    ...(content === undefined ? [] : [unitFile(`${folder}/${name}`, content)]),
    ...dropIns.map((dropIn) => unitFile(`${folder}/${name}.d/${dropIn.name}`, dropIn.content)),
  ];
}

function unitFile(path: string, content: string): LaidOutFile {
  return { path, content: Buffer.from(content), mode: 0o644, owner: 'root' };
}

function stepsOf({ name, enable, mask, command }: CloudConfigUnit): readonly SystemdStep[] {
  if (isNetwork(name)) return [];
  return [
    ...(mask === true ? [{ verb: 'mask', unit: name }] : []),
    ...(enable === true ? [{ verb: 'enable', unit: name }] : []),
    ...(command === undefined ? [] : [{ verb: command, unit: name }]),
  ];
}

function bootUnit(units: readonly CloudConfigUnit[], role: string): string | undefined {
  const again = units.filter(
    ({ name, enable, command }) =>
      enable !== true && !isNetwork(name) && command !== undefined && command !== 'stop',
  );
  if (again.length === 0) return undefined;
  const starts = again.map(({ name }) => `ExecStart=/usr/bin/systemctl --no-block start ${name}\n`);
  return `[Unit]
Description=Start what Tinderbox wrote for this host as ${role}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
RemainAfterExit=yes
${starts.join('')}
[Install]
WantedBy=multi-user.target
`;
}

function safePath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '');
  if (path.startsWith('/') && parts.length > 0 && !parts.some((part) => part === '..' || part === '.'))
    return `/${parts.join('/')}`;
  throw new TinderboxError(
    'invalid-template',
    `'${path}' is no absolute path of a file: nothing was written`,
    {
      remedy: 'Write it as /etc/…, without `..`.',
    },
  );
}

function leftOf(config: CloudConfig): readonly string[] {
  const coreos = Object.keys(config.coreos ?? {}).filter((key) => key !== 'units');
  return [
    ...(config.hostname === undefined ? [] : [`hostname: the host is to be called ${config.hostname}`]),
    ...(config.users ?? []).map(({ name }) => `users: ${name} is not made`),
    ...((config.ssh_authorized_keys ?? []).length === 0 ? [] : ['ssh_authorized_keys: nobody is let in']),
    ...(config.manage_etc_hosts === undefined ? [] : ['manage_etc_hosts: /etc/hosts stays as it is']),
    ...coreos.map((key) => `coreos.${key}: it means something to Container Linux and Flatcar only`),
  ];
}
