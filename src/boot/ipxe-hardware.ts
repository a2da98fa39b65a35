import type { Hardware } from '../machine/hardware.ts';
import type { Mac } from '../machine/mac.ts';
import { readHardware } from './read-hardware.ts';

/**
 * What iPXE can read of a machine (https://ipxe.org/cfg), as parts of a query: our name, and the setting. What a build
 * does not know expands to nothing: Debian's have no `memsize`, and `cpumodel` from 2.0 on. SMBIOS fields are
 * `smbios/[<instance>.]<type>.<offset>.<length>`, a length of 0 meaning a string (DMTF DSP0134).
 */
export const IPXE_HARDWARE_SETTINGS: readonly (readonly [name: string, setting: string])[] = [
  ['cpu', 'cpumodel:uristring'],
  // Processor Information: its version, else its manufacturer.
  ['cpu-smbios', 'smbios/4.16.0:uristring'],
  ['cpu-vendor', 'smbios/4.7.0:uristring'],
  ['memsize', 'memsize'],
  // Memory Array Mapped Address: first and last kibibyte, of the first two of them; where those do not fit, in bytes.
  ['ram', 'smbios/19.4.8:hexraw'],
  ['ram1', 'smbios/1.19.4.8:hexraw'],
  ['ram-wide', 'smbios/19.15.16:hexraw'],
  ['bios-vendor', 'smbios/0.4.0:uristring'],
  ['bios-version', 'smbios/0.5.0:uristring'],
  ['bios-date', 'smbios/0.8.0:uristring'],
  // Baseboard: its manufacturer and product.
  ['board-vendor', 'smbios/2.4.0:uristring'],
  ['board', 'smbios/2.5.0:uristring'],
  ['chip', 'netX/chip:uristring'],
  ['busid', 'netX/busid:hexraw'],
  ['secureboot', 'efi/SecureBoot:hexraw'],
];

/** The query of `/ipxe`, to Hardware; undefined where it says nothing of it. */
export function readIpxeHardware(
  query: Readonly<Record<string, string>>,
  mac: Mac,
  at: number,
): Hardware | undefined {
  const said = IPXE_HARDWARE_SETTINGS.some(([name]) => (query[name] ?? '') !== '');
  if (!said) return undefined;
  const { platform, secureboot = '' } = query;
  const model = firstOf(query.cpu, query['cpu-smbios'], query['cpu-vendor']);
  const memory = memoryOf(query);
  const kind = platform === 'efi' ? 'uefi' : platform === 'pcbios' ? 'bios' : undefined;
  const driver = [query.chip ?? '', pciOf(query.busid ?? '')].filter((part) => part !== '').join(' ');
  return readHardware(
    {
      cpu: { model },
      memory,
      board: [query['board-vendor'] ?? '', query.board ?? ''].join(' '),
      disks: [],
      // It asks over this one, so that its link is up.
      network: [{ name: 'net0', mac, driver, link: true }],
      firmware: {
        kind,
        vendor: query['bios-vendor'],
        version: query['bios-version'],
        date: query['bios-date'],
        ...(/^0[01]$/.test(secureboot) ? { secureBoot: secureboot === '01' } : {}),
      },
    },
    'ipxe',
    at,
  );
}

/** Board makers leave fields as they were delivered. */
function firstOf(...texts: readonly (string | undefined)[]): string | undefined {
  return texts.find(
    (text = '') => text.trim() !== '' && !/^(not specified|unknown|n\/a)$/i.test(text.trim()),
  );
}

const MEBIBYTE = 2 ** 20;

function memoryOf(query: Readonly<Record<string, string>>): number | undefined {
  const { memsize = '', ram = '', ram1 = '', 'ram-wide': wide = '' } = query;
  if (/^\d{1,9}$/.test(memsize) && Number(memsize) > 0) return Number(memsize) * MEBIBYTE;
  const ranges = [rangeOf(ram, 8, 1024), rangeOf(ram1, 8, 1024), rangeOf(wide, 16, 1)];
  const bytes = ranges.reduce<number>((sum, range) => sum + (range ?? 0), 0);
  return bytes === 0 ? undefined : bytes;
}

/** Little-endian first and last unit; all ones: it does not fit and stands elsewhere. */
function rangeOf(hex: string, digits: 8 | 16, unit: number): number | undefined {
  if (!/^[0-9a-f]+$/i.test(hex) || hex.length !== 2 * digits) return undefined;
  const [first, last] = [littleEndian(hex.slice(0, digits)), littleEndian(hex.slice(digits))];
  if (last <= first || last === (1n << BigInt(4 * digits)) - 1n) return undefined;
  const bytes = (last - first + 1n) * BigInt(unit);
  return bytes <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(bytes) : undefined;
}

function littleEndian(hex: string): bigint {
  return BigInt(`0x${hex.match(/../g)?.toReversed().join('') ?? '0'}`);
}

/** `<type><vendor><device>`, type 1 being PCI (iPXE's include/ipxe/device.h). */
function pciOf(busid: string): string {
  const [, vendor, device] = /^01([0-9a-f]{4})([0-9a-f]{4})$/i.exec(busid) ?? [];
  return vendor === undefined ? '' : `(PCI ${vendor}:${device})`;
}
