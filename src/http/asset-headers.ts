import type { AssetFile } from './asset-file.ts';
import type { Validators } from './evaluate-conditions.ts';

/** EDK2's HTTP boot takes an image's kind from these types (HttpBootCheckImageType), else from the name. */
const TYPES: Readonly<Record<string, string>> = {
  efi: 'application/efi',
  iso: 'application/vnd.efi-iso',
  img: 'application/vnd.efi-img',
  ipxe: 'text/plain; charset=utf-8',
  txt: 'text/plain; charset=utf-8',
  yaml: 'text/plain; charset=utf-8',
  json: 'application/json',
};

export function contentTypeOf(name: string): string {
  const extension = /\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase() ?? '';
  return TYPES[extension] ?? 'application/octet-stream';
}

export function validatorsOf(file: AssetFile): Validators {
  return { etag: `"${file.version}"`, lastModified: Math.floor(file.modifiedAt / 1000) * 1000 };
}
