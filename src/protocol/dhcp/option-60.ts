import { latin1ToBytes, latin1WithoutTrailingNuls } from './latin1.ts';

/*
 * Vendor class (PXE 2.1 specification, UEFI specification "HTTP boot"): text.
 *
 *   PXEClient:Arch:00007:UNDI:003016
 *   \_______/      \___/      \_/\_/
 *     kind         option 93  UNDI major, minor
 *
 * Some chainloaded iPXE builds (2019) and every server send the bare kind.
 */
export const NETWORK_BOOT_CLASSES = ['PXEClient', 'HTTPClient'] as const;
export type NetworkBootClass = (typeof NETWORK_BOOT_CLASSES)[number];

export interface VendorClass {
  /** `other`: the operating system's own client (`udhcp 1.35.0`, `MSFT 5.0`), or an empty option. */
  readonly kind: NetworkBootClass | 'other';
  /** As in option 93; for machines that leave that out. */
  readonly architecture?: number;
  readonly undi?: { readonly major: number; readonly minor: number };
  /** The whole of it, Latin-1, without trailing NULs. */
  readonly text: string;
}

/** Never throws. */
export function decodeVendorClass(bytes: Uint8Array): VendorClass {
  const text = latin1WithoutTrailingNuls(bytes);
  const kind = NETWORK_BOOT_CLASSES.find((name) => text === name || text.startsWith(`${name}:`));
  if (kind === undefined) return { kind: 'other', text };
  const architecture = /:Arch:(\d{1,5})(?=:|$)/.exec(text)?.[1];
  const undi = /:UNDI:(\d{3})(\d{3})(?=:|$)/.exec(text);
  return {
    kind,
    text,
    ...(architecture === undefined ? {} : { architecture: Number(architecture) }),
    ...(undi === null ? {} : { undi: { major: Number(undi[1]), minor: Number(undi[2]) } }),
  };
}

/** Without `architecture` and `undi`: the bare kind, which is what a server answers. */
export function encodeVendorClass(
  vendorClass: Omit<VendorClass, 'text' | 'kind'> & { readonly kind: NetworkBootClass },
): Uint8Array {
  const { kind, architecture, undi } = vendorClass;
  const arch = architecture === undefined ? '' : `:Arch:${String(architecture).padStart(5, '0')}`;
  const version = undi === undefined ? '' : `:UNDI:${threeDigits(undi.major)}${threeDigits(undi.minor)}`;
  return latin1ToBytes(`${kind}${arch}${version}`);
}

function threeDigits(value: number): string {
  return String(value).padStart(3, '0');
}
