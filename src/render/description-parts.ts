import type { DocumentPath } from '../document/located.ts';
import type { ConfigFormat } from '../machine/role.ts';
import type { DescribedUnit, Description } from './description-schema.ts';

/** The dialects that a description is converted to. */
export type DescribedFormat = Exclude<ConfigFormat, 'raw'>;

/** Something that a dialect cannot say. */
export interface Inexpressible {
  readonly path: DocumentPath;
  /** Dialects that can; with a reason where it is not plain. */
  readonly others: readonly DescribedFormat[];
  readonly reason?: string;
}

export const MODULES_FILE = '/etc/modules-load.d/tinderbox.conf';
export const SYSCTL_FILE = '/etc/sysctl.d/90-tinderbox.conf';
export const TMPFILES_FILE = '/etc/tmpfiles.d/tinderbox.conf';

export function modulesText(modules: readonly string[]): string {
  return modules.map((name) => `${name}\n`).join('');
}

export function sysctlText(sysctl: NonNullable<Description['sysctl']>): string {
  return Object.entries(sysctl)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('');
}

/** Directories and symbolic links in tmpfiles.d(5), for dialects that have none of their own. */
export function tmpfilesText({ directories = [], links = [] }: Description): string {
  const lines = [
    ...directories.map(
      ({ path, mode = '0755', owner = 'root', group = 'root' }) =>
        `d ${word(path)} ${mode} ${word(owner)} ${word(group)} -`,
    ),
    ...links.map(({ path, target }) => `L+ ${word(path)} - - - - ${target.replaceAll('%', '%%')}`),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

/** Quotes as of C, and a percent sign begins a specifier. */
function word(text: string): string {
  return `"${text.replaceAll('%', '%%').replace(/["\\]/g, '\\$&')}"`;
}

export function isNetworkUnit({ name }: DescribedUnit): boolean {
  return /\.(network|netdev|link)$/.test(name);
}

/** YAML that every reader agrees on has no control characters; such a file travels in base64. */
export function isPlainText(text: string): boolean {
  return text.isWellFormed() && !/(?![\n\t])\p{Cc}|[\u2028\u2029\ufeff\ufffe\uffff]/u.test(text);
}

/** A mode that has all of its four digits. */
export function fourDigits(mode: string): string {
  return mode.padStart(4, '0');
}
