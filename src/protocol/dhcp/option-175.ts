import { decodeSuboptions, encodeSuboptions, type Suboptions } from './suboptions.ts';

/*
 * iPXE's encapsulated options (its include/ipxe/dhcp.h and features.h, `DHCP_EB_*`), laid out as option 43.
 *
 *   +----+---+---+-----+---+---------------------+-----+
 *   | 19 | 1 | 1 | 235 | 3 | major, minor, patch | ... |
 *   +----+---+---+-----+---+---------------------+-----+
 *
 * iPXE tells its version and features; a server answers with settings. No iPXE sends the 255 at the end, all read it.
 */
export const IPXE_SUBOPTION = {
  /** Signed; the offer with the highest wins. */
  priority: 1,
  keepSan: 8,
  skipSanBoot: 9,
  /** 16–79 are features, one byte each: see IPXE_FEATURES. */
  syslogServer: 85,
  /** 1: don't wait two seconds for a proxy's offer. */
  noPxeDhcp: 176,
  busId: 177,
  biosDrive: 189,
  username: 190,
  password: 191,
  version: 235,
} as const;

const FIRST_FEATURE = 16;
const LAST_FEATURE = 79;

/** Feature tags by code, as iPXE's screen and `${features}` call them. */
export const IPXE_FEATURES: Readonly<Record<number, string>> = {
  16: 'pxe-ext',
  17: 'iscsi',
  18: 'aoe',
  19: 'http',
  20: 'https',
  21: 'tftp',
  22: 'ftp',
  23: 'dns',
  24: 'bzimage',
  25: 'multiboot',
  26: 'slam',
  27: 'srp',
  32: 'nbi',
  33: 'pxe',
  34: 'elf',
  35: 'comboot',
  36: 'efi',
  37: 'fcoe',
  38: 'vlan',
  39: 'menu',
  40: 'sdi',
  41: 'nfs',
};

/** The PCI (or other bus) address of the card's model: iPXE's `${netX/busid}`. */
export interface IpxeBusId {
  readonly type: number;
  readonly vendor: number;
  readonly device: number;
}

export interface IpxeOptions {
  /** Names of IPXE_FEATURES; a feature without a name is its number. */
  readonly features: readonly string[];
  /** `1.21.1` */
  readonly version?: string;
  readonly busId?: IpxeBusId;
  readonly noPxeDhcp?: boolean;
  /** –128 to 127. */
  readonly priority?: number;
}

/** Never throws. Without `http` among the features that iPXE cannot fetch a script by URL. */
export function decodeIpxeOptions(bytes: Uint8Array): IpxeOptions & { readonly all: Suboptions } {
  const all = decodeSuboptions(bytes, { padded: true });
  const version = all.get(IPXE_SUBOPTION.version);
  const busId = decodeBusId(all.get(IPXE_SUBOPTION.busId));
  const noPxeDhcp = all.get(IPXE_SUBOPTION.noPxeDhcp);
  const priority = all.get(IPXE_SUBOPTION.priority);
  return {
    all,
    features: decodeFeatures(all),
    ...(version === undefined || version.length === 0 ? {} : { version: version.join('.') }),
    ...(busId === undefined ? {} : { busId }),
    ...(noPxeDhcp === undefined ? {} : { noPxeDhcp: noPxeDhcp.some((byte) => byte !== 0) }),
    ...(priority?.length === 1 ? { priority: ((priority[0] as number) << 24) >> 24 } : {}),
  };
}

function decodeFeatures(all: Suboptions): readonly string[] {
  const features: string[] = [];
  for (const [code, value] of all) {
    const present = code >= FIRST_FEATURE && code <= LAST_FEATURE && value.some((byte) => byte !== 0);
    if (present) features.push(IPXE_FEATURES[code] ?? String(code));
  }
  return features;
}

function decodeBusId(bytes: Uint8Array | undefined): IpxeBusId | undefined {
  if (bytes?.length !== 5) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return { type: view.getUint8(0), vendor: view.getUint16(1), device: view.getUint16(3) };
}

/** Throws a RangeError on a feature or a version that cannot be written. */
export function encodeIpxeOptions(options: Partial<IpxeOptions>): Uint8Array {
  const suboptions = new Map<number, Uint8Array>();
  if (options.priority !== undefined)
    suboptions.set(IPXE_SUBOPTION.priority, Uint8Array.of(options.priority));
  if (options.noPxeDhcp !== undefined) {
    suboptions.set(IPXE_SUBOPTION.noPxeDhcp, Uint8Array.of(options.noPxeDhcp ? 1 : 0));
  }
  if (options.busId !== undefined) {
    const { type, vendor, device } = options.busId;
    suboptions.set(IPXE_SUBOPTION.busId, Uint8Array.of(type, vendor >>> 8, vendor, device >>> 8, device));
  }
  if (options.version !== undefined) {
    suboptions.set(IPXE_SUBOPTION.version, encodeVersion(options.version));
  }
  for (const feature of options.features ?? []) suboptions.set(featureCode(feature), Uint8Array.of(1));
  return encodeSuboptions(suboptions, { padded: true });
}

function encodeVersion(version: string): Uint8Array {
  const numbers = version.split('.').map((part) => (/^\d+$/.test(part) ? Number(part) : Number.NaN));
  if (!numbers.every((number) => number <= 255)) throw new RangeError(`no version of iPXE: '${version}'`);
  return Uint8Array.from(numbers);
}

function featureCode(name: string): number {
  const known = Object.entries(IPXE_FEATURES).find(([, feature]) => feature === name)?.[0];
  const code = Number(known ?? name);
  if (!Number.isInteger(code) || code < FIRST_FEATURE || code > LAST_FEATURE)
    throw new RangeError(`no iPXE feature: '${name}'`);
  return code;
}
