import type { Problem } from '../errors.ts';
import type { ConfigFormat, Role } from '../machine/role.ts';
import type { BootFiles } from './render-boot-files.ts';

/** Who reads which kernel argument, and what it takes. */
const READERS: readonly {
  readonly argument: RegExp;
  readonly reader: string;
  readonly format: ConfigFormat;
}[] = [
  { argument: /^cloud-config-url=/, reader: 'coreos-cloudinit', format: 'cloud-config' },
  { argument: /^(ci\.)?ds=nocloud/, reader: 'cloud-init', format: 'nocloud' },
  { argument: /^(coreos|flatcar|ignition)\.config\.url=/, reader: 'Ignition', format: 'ignition' },
  { argument: /^(preseed\/url|url|auto-url)=/, reader: "Debian's installer", format: 'raw' },
  { argument: /^(inst\.)?ks=/, reader: 'Anaconda', format: 'raw' },
  { argument: /^talos\.config=/, reader: 'Talos', format: 'raw' },
];

/**
 * What a role's rendered kernel arguments say of its configuration that its reader will not understand: an argument of another
 * system than the format is for, and one that cloud-init takes and does nothing with. Warnings: who reads what is known
 * of these systems, not of every image.
 */
export function checkArguments(
  role: Role,
  files: BootFiles | undefined,
  sessionUrl: string,
): readonly Problem[] {
  const { config, boot } = role;
  if (config === undefined || files === undefined || boot.kind !== 'kernel') return [];
  return files.cmdline.flatMap((argument) => {
    const known = READERS.find((one) => one.argument.test(argument));
    if (known === undefined || !argument.includes(sessionUrl)) return [];
    const name = known.argument.exec(argument)?.[0] ?? '';
    const line = boot.cmdline.find(({ text }) => text.startsWith(name))?.line;
    const warning = (message: string, remedy: string): Problem => ({
      severity: 'warning',
      file: role.file,
      ...(line === undefined ? {} : { line }),
      message: `role ${role.name}: ${message}`,
      remedy,
    });
    if (known.format !== config.format) {
      const message = `${known.reader} reads \`${name}\`, and the configuration of the role is ${config.format}`;
      return [
        warning(
          message,
          `Give it config: { format: ${known.format} }, or its image another argument: docs/dialects.md.`,
        ),
      ];
    }
    if (known.format !== 'nocloud') return [];
    if (/[;?]s(eedfrom)?=\S*\/nocloud$/.test(argument)) {
      return [
        warning(
          'the URL of its `ds=nocloud` does not end with a slash',
          'Write s={{configUrl}}, which does.',
        ),
      ];
    }
    if (/^(ci\.)?ds=nocloud;/.test(argument) && !argument.includes(';dsmode=net')) {
      // 22.4 (Debian 12) takes `ds=nocloud` for a seed on a disk, fetches it all the same, and applies nothing (seen).
      const message = 'cloud-init 22.4 fetches what `ds=nocloud;s=http…` names, and does not apply it';
      return [
        warning(message, 'Write ds=nocloud;dsmode=net;s={{configUrl}}, which every release understands.'),
      ];
    }
    return [];
  });
}
