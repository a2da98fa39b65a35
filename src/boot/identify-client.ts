import { architectureByCode, type FirmwareArchitecture } from '../machine/architecture.ts';
import { type Mac, macFromBytes } from '../machine/mac.ts';
import { decodeVendorClass, type VendorClass } from '../protocol/dhcp/option-60.ts';
import { decodeUserClass } from '../protocol/dhcp/option-77.ts';
import { decodeClientArchitectures } from '../protocol/dhcp/option-93.ts';
import { decodeClientUuid } from '../protocol/dhcp/option-97.ts';
import { decodeIpxeOptions, type IpxeOptions } from '../protocol/dhcp/option-175.ts';
import { OPTION } from '../protocol/dhcp/option-codes.ts';
import type { DhcpPacket } from '../protocol/dhcp/packet.ts';

/** Who sent a DHCP packet, as far as a boot goes. */
export interface NetworkClient {
  readonly mac: Mac;
  /** rom: firmware's own network boot; ipxe: an iPXE; ordinary: anything else (an operating system, a phone). */
  readonly kind: 'rom' | 'ipxe' | 'ordinary';
  /** `http`: UEFI HTTP boot, which wants a URL. */
  readonly transport: 'tftp' | 'http';
  /** Undefined where it says none that is known. */
  readonly architecture: FirmwareArchitecture | undefined;
  /** An iPXE that can fetch our script by HTTP. */
  readonly fetchesScripts: boolean;
  readonly uuid: string | undefined;
  readonly reasons: readonly string[];
}

export type Identification =
  | { readonly client: NetworkClient; readonly refused?: undefined }
  | { readonly client?: undefined; readonly refused: string };

const ETHERNET_LENGTH = 6;
const NOTHING = new Uint8Array(0);

/**
 * Options 93, 60, 77 and 175 (RFC 4578, RFC 3004, iPXE). A missing or malformed 97 or 94 never matters: there are
 * ROMs in the wild that leave them out.
 */
export function identifyClient(packet: DhcpPacket): Identification {
  if (packet.hlen !== ETHERNET_LENGTH) {
    return { refused: `hardware addresses of ${packet.hlen} bytes are not supported (Ethernet has 6)` };
  }
  const { options } = packet;
  const vendorClass = decodeVendorClass(options.get(OPTION.vendorClass) ?? NOTHING);
  const userClasses = decodeUserClass(options.get(OPTION.userClass) ?? NOTHING);
  const ipxeBytes = options.get(OPTION.ipxe);
  const ipxeOptions = ipxeBytes === undefined ? undefined : decodeIpxeOptions(ipxeBytes);
  const reasons: string[] = [];
  const kind = kindOf(vendorClass.kind, userClasses, ipxeOptions !== undefined, reasons);
  const fetchesScripts = kind === 'ipxe' && hasHttp(ipxeOptions, reasons);
  const architecture =
    kind === 'ordinary' ? undefined : architectureOf(packet, vendorClass.architecture, reasons);
  const uuidBytes = options.get(OPTION.clientUuid);
  return {
    client: {
      mac: macFromBytes(packet.chaddr),
      kind,
      transport: kind === 'rom' && vendorClass.kind === 'HTTPClient' ? 'http' : 'tftp',
      architecture,
      fetchesScripts,
      uuid: uuidBytes === undefined ? undefined : decodeClientUuid(uuidBytes),
      reasons,
    },
  };
}

function kindOf(
  vendor: VendorClass['kind'],
  userClasses: readonly string[],
  hasIpxeOptions: boolean,
  reasons: string[],
): NetworkClient['kind'] {
  const named = userClasses.find((name) => name === 'iPXE' || name === 'tinderbox');
  if (named !== undefined) {
    reasons.push(`user class ${named}`);
    return 'ipxe';
  }
  // Every iPXE sends option 175, also one that plays a vendor's ROM: a user class that says otherwise decides.
  if (hasIpxeOptions && userClasses.length === 0) {
    reasons.push('iPXE by option 175');
    return 'ipxe';
  }
  if (vendor === 'other') {
    reasons.push('no network boot: neither PXEClient nor HTTPClient nor iPXE');
    return 'ordinary';
  }
  reasons.push(vendor);
  return 'rom';
}

function hasHttp(ipxeOptions: IpxeOptions | undefined, reasons: string[]): boolean {
  if (ipxeOptions === undefined || ipxeOptions.features.includes('http')) return true;
  reasons.push('this iPXE has no HTTP (option 175 without feature 19): it gets ours');
  return false;
}

/** What an event's reasons, made here, say of option 93: for who asks later what firmware it was. */
export function architectureInReasons(reasons: readonly string[]): FirmwareArchitecture | undefined {
  for (const reason of reasons) {
    const code = /^option 93: (\d{1,5}) \(/.exec(reason)?.[1];
    if (code !== undefined) return architectureByCode(Number(code));
  }
  return undefined;
}

/** The first known entry of option 93; else what option 60 says; `PXEClient` alone is a BIOS. */
function architectureOf(
  packet: DhcpPacket,
  fromVendorClass: number | undefined,
  reasons: string[],
): FirmwareArchitecture | undefined {
  const codes = decodeClientArchitectures(packet.options.get(OPTION.clientArchitecture) ?? NOTHING);
  const listed = codes.map(architectureByCode).find((architecture) => architecture !== undefined);
  if (listed !== undefined) {
    reasons.push(`option 93: ${listed.code} (${listed.label})`);
    return listed;
  }
  if (codes.length > 0) {
    reasons.push(`option 93: ${codes.slice(0, 4).join(', ')}, unknown`);
    return undefined;
  }
  const code = fromVendorClass ?? 0;
  const architecture = architectureByCode(code);
  const source =
    fromVendorClass === undefined ? 'no option 93: a BIOS' : `option 60 says architecture ${code}`;
  reasons.push(architecture === undefined ? `${source}, unknown` : source);
  return architecture;
}
