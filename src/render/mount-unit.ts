import { escapePath } from './check-units.ts';
import type { IgnitionUnit } from './ignition-config.ts';

export interface Mounted {
  readonly device: string;
  readonly format: string;
  /** Absent of swap. */
  readonly path?: string;
  readonly mountOptions?: readonly string[];
}

/** The unit that mounts a file system, or uses swap, at every boot (systemd.mount(5), systemd.swap(5)). */
export function mountUnit({ device, format, path, mountOptions = [] }: Mounted): IgnitionUnit | undefined {
  const options = mountOptions.length === 0 ? [] : [`Options=${specifiers(mountOptions.join(','))}`];
  if (format === 'swap') {
    const contents = [
      '[Swap]',
      `What=${specifiers(device)}`,
      ...options,
      '',
      '[Install]',
      'RequiredBy=swap.target',
    ];
    return { name: `${escapePath(device)}.swap`, enabled: true, contents: `${contents.join('\n')}\n` };
  }
  if (path === undefined) return undefined;
  const check = `systemd-fsck@${escapePath(device)}.service`;
  const contents = [
    '[Unit]',
    `Requires=${specifiers(check)}`,
    `After=${specifiers(check)}`,
    '',
    '[Mount]',
    `Where=${specifiers(path)}`,
    `What=${specifiers(device)}`,
    `Type=${format}`,
    ...options,
    '',
    '[Install]',
    'RequiredBy=local-fs.target',
  ];
  return { name: `${escapePath(path)}.mount`, enabled: true, contents: `${contents.join('\n')}\n` };
}

function specifiers(text: string): string {
  return text.replaceAll('%', '%%');
}
