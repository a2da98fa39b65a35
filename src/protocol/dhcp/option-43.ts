import { decodeSuboptions, encodeSuboptions, type Suboptions } from './suboptions.ts';

/*
 * PXE vendor options (PXE 2.1 specification, table 2-1; RFC 2132 section 8.4): sub-options between pads, ended by 255.
 *
 *   +---+---+---------+----+---+-----------+-----+
 *   | 6 | 1 | control | 71 | 4 | type layer| 255 |
 *   +---+---+---------+----+---+-----------+-----+
 */
export const PXE_SUBOPTION = {
  discoveryControl: 6,
  multicastAddress: 7,
  bootServers: 8,
  bootMenu: 9,
  menuPrompt: 10,
  bootItem: 71,
} as const;

/** Bits of sub-option 6. */
export const PXE_DISCOVERY = {
  noBroadcast: 1,
  noMulticast: 2,
  onlyListedServers: 4,
  /** Take the offer's boot file at once: no menu, no boot server discovery on 4011. */
  useOfferedFile: 8,
} as const;

export interface PxeVendorOptions {
  /** Sub-option 6: an or of PXE_DISCOVERY. */
  readonly discoveryControl?: number;
  /**
   * Sub-option 71 as it came (boot server type and layer, two bytes each): what a client asks for is echoed. Of another
   * length it is none: 250 bytes of it would make a reply that is larger than every client takes.
   */
  readonly bootItem?: Uint8Array;
}

/** Never throws; on a client that is no PXE client the vendor's bytes mean something else, and this finds what it finds. */
export function decodePxeVendorOptions(bytes: Uint8Array): PxeVendorOptions & { readonly all: Suboptions } {
  const all = decodeSuboptions(bytes, { padded: true });
  const discoveryControl = all.get(PXE_SUBOPTION.discoveryControl);
  const bootItem = all.get(PXE_SUBOPTION.bootItem);
  return {
    all,
    ...(discoveryControl?.length === 1 ? { discoveryControl: discoveryControl[0] as number } : {}),
    ...(bootItem?.length === 4 ? { bootItem } : {}),
  };
}

/** With its 255 at the end: BIOS ROMs read on without one. */
export function encodePxeVendorOptions(options: PxeVendorOptions): Uint8Array {
  const suboptions = new Map<number, Uint8Array>();
  if (options.discoveryControl !== undefined) {
    suboptions.set(PXE_SUBOPTION.discoveryControl, Uint8Array.of(options.discoveryControl));
  }
  if (options.bootItem !== undefined) suboptions.set(PXE_SUBOPTION.bootItem, options.bootItem);
  return encodeSuboptions(suboptions, { padded: true });
}
