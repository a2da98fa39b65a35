import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Debian keeps it where dracut takes it from. */
export const IGNITION = '/usr/lib/dracut/modules.d/30ignition/ignition';

export interface IgnitionVerdict {
  readonly accepts: boolean;
  readonly says: string;
}

/** `accepts` with warnings, too; those are in `says`. */
export function validate(text: string): IgnitionVerdict {
  const { status, stderr, error } = spawnSync('ignition-validate', ['-'], { input: text, encoding: 'utf8' });
  if (status === null) throw error ?? new Error('ignition-validate was ended');
  return { accepts: status === 0, says: stderr };
}

/**
 * A root folder with as much as useradd(8) needs, and Ignition's stage `files` applied to it, in a mount namespace of its
 * own. SELinux is the last thing that Debian's build wants to see to: there is none, and `setfiles` does nothing.
 */
export function applyFiles(folder: string, config: string): { readonly root: string; readonly log: string } {
  const root = join(folder, 'root');
  put(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/bash\n');
  put(join(root, 'etc/group'), 'root:x:0:\nusers:x:100:\n');
  put(join(root, 'etc/shadow'), 'root:*:1::::::\n', 0o600);
  put(join(root, 'etc/gshadow'), 'root:*::\nusers:*::\n', 0o600);
  put(join(root, 'etc/nsswitch.conf'), 'passwd: files\ngroup: files\nshadow: files\n');
  put(join(root, 'etc/login.defs'), 'USERGROUPS_ENAB yes\n');
  put(join(root, 'etc/selinux/config'), 'SELINUXTYPE=none\n');
  put(join(folder, 'bin/setfiles'), '#!/bin/sh\nexec cat >/dev/null\n', 0o755);
  put(join(folder, 'config.ign'), config);
  const run = (stage: string) =>
    `IGNITION_CONFIG_FILE=${folder}/config.ign ${IGNITION} --platform file --stage ${stage} --root ${root} ${outputs(folder)}`;
  return { root, log: inNamespace(folder, `${run('fetch')} && ${run('files')}`) };
}

/** Ignition's stage `fetch`, told by the kernel's command line where its configuration is. */
export function fetchConfig(
  folder: string,
  url: string,
): { readonly argv: readonly string[]; readonly cache: string } {
  writeFileSync(
    join(folder, 'cmdline'),
    `quiet ignition.firstboot ignition.platform.id=metal ignition.config.url=${url}\n`,
  );
  const script = `mount --bind ${folder}/cmdline /proc/cmdline && exec ${IGNITION} --platform metal --stage fetch ${outputs(folder)}`;
  return { argv: ['unshare', '--mount', 'sh', '-c', script], cache: join(folder, 'cache.json') };
}

function put(path: string, text: string, mode = 0o644): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  chmodSync(path, mode);
}

function outputs(folder: string): string {
  return `--config-cache ${folder}/cache.json --state-file ${folder}/state --neednet ${folder}/neednet --log-to-stdout`;
}

function inNamespace(folder: string, script: string): string {
  const { status, stdout, stderr } = spawnSync('unshare', ['--mount', 'sh', '-c', script], {
    encoding: 'utf8',
    env: { ...process.env, PATH: `${folder}/bin:/usr/sbin:/usr/bin:/sbin:/bin` },
  });
  if (status !== 0) throw new Error(`Ignition failed: ${stdout.slice(-2000)}${stderr}`);
  return stdout;
}
