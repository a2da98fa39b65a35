import npmOptions from 'dhcp/lib/options.js';
import { escapeText } from './escape-text.ts';
import { OPTION } from './option-codes.ts';

export { describePacket } from './describe-packet.ts';

/** How an option's bytes read. The npm package's types, and `Hex` for what has no simpler reading. */
export const OPTION_TYPES = [
  'ASCII',
  'Bool',
  'Hex',
  'IP',
  'IPs',
  'Int32',
  'UInt8',
  'UInt8s',
  'UInt16',
  'UInt16s',
  'UInt32',
] as const;
export type OptionType = (typeof OPTION_TYPES)[number];

export interface OptionDefinition {
  readonly code: number;
  readonly name: string;
  readonly type: OptionType;
  /** Names of values, for numbers that stand for something. */
  readonly values?: Readonly<Record<number, string>>;
}

/** What the npm package leaves out (it stops near RFC 2132) or types otherwise than the RFC does. */
const CORRECTIONS: Readonly<Record<number, { readonly name: string; readonly type: OptionType }>> = {
  20: { name: 'Non-Local Source Routing', type: 'UInt8' },
  34: { name: 'Trailer Encapsulation', type: 'UInt8' },
  36: { name: 'Ethernet Encapsulation', type: 'UInt8' },
  39: { name: 'TCP Keepalive Garbage', type: 'UInt8' },
  45: { name: 'NetBIOS over TCP/IP Datagram Distribution Server', type: 'IPs' },
  // An opaque key (RFC 2132 section 9.14), most often a hardware type and address.
  61: { name: 'Client-Identifier', type: 'Hex' },
  43: { name: 'Vendor Specific Information', type: 'Hex' },
  68: { name: 'Mobile IP Home Agent', type: 'IPs' },
  77: { name: 'User Class', type: 'ASCII' },
  81: { name: 'Client FQDN', type: 'Hex' },
  82: { name: 'Relay Agent Information', type: 'Hex' },
  90: { name: 'Authentication', type: 'Hex' },
  93: { name: 'Client System Architecture', type: 'UInt16s' },
  94: { name: 'Client Network Interface', type: 'UInt8s' },
  95: { name: 'LDAP Servers', type: 'ASCII' },
  97: { name: 'Client Machine Identifier', type: 'Hex' },
  100: { name: 'Time Zone (POSIX)', type: 'ASCII' },
  101: { name: 'Time Zone (Database)', type: 'ASCII' },
  108: { name: 'IPv6-Only Preferred', type: 'UInt32' },
  114: { name: 'Captive Portal', type: 'ASCII' },
  // DNS wire format, compressed (RFC 3397); destination descriptors (RFC 3442).
  119: { name: 'Domain Search List', type: 'Hex' },
  121: { name: 'Classless Static Routes', type: 'Hex' },
  124: { name: 'Vendor-Identifying Vendor Class', type: 'Hex' },
  125: { name: 'Vendor-Identifying Vendor Information', type: 'Hex' },
  150: { name: 'TFTP Server Addresses', type: 'IPs' },
  175: { name: 'iPXE Encapsulated Options', type: 'Hex' },
  203: { name: 'iPXE HTTP Proxy', type: 'ASCII' },
  249: { name: 'Microsoft Classless Static Routes', type: 'Hex' },
};

const DICTIONARY: ReadonlyMap<number, OptionDefinition> = readDictionary();

function readDictionary(): Map<number, OptionDefinition> {
  const dictionary = new Map<number, OptionDefinition>();
  for (const [key, option] of Object.entries(npmOptions.opts)) {
    const code = Number(key);
    // Beyond 254 are the package's own settings, not options.
    if (code < OPTION.end) {
      dictionary.set(code, {
        code,
        name: option.name,
        type: OPTION_TYPES.find((type) => type === option.type) ?? 'Hex',
        ...(option.enum === undefined ? {} : { values: option.enum }),
      });
    }
  }
  for (const [key, { name, type }] of Object.entries(CORRECTIONS)) {
    dictionary.set(Number(key), { code: Number(key), name, type });
  }
  return dictionary;
}

/** Undefined for codes without a common meaning. */
export function findOption(code: number): OptionDefinition | undefined {
  return DICTIONARY.get(code);
}

/** `Option 224` where it has none. */
export function optionName(code: number): string {
  return DICTIONARY.get(code)?.name ?? `Option ${code}`;
}

/** Longest text of one option. */
const MAXIMUM_TEXT = 200;

/**
 * For events and packet views. The text is printable ASCII of at most 200 characters, whatever the bytes are; bytes
 * that do not fit the option's type are shown in hexadecimal. Never throws.
 */
export function describeOption(
  code: number,
  bytes: Uint8Array,
): { readonly name: string; readonly text: string } {
  const definition = DICTIONARY.get(code);
  const text = definition === undefined ? undefined : readAs(definition, bytes);
  return { name: optionName(code), text: text === undefined ? hex(bytes) : shorten(text) };
}

function readAs(definition: OptionDefinition, bytes: Uint8Array): string | undefined {
  switch (definition.type) {
    case 'ASCII':
      return `"${escapeText(bytes, MAXIMUM_TEXT)}"`;
    case 'Bool':
      return bytes.length === 0 ? 'present' : undefined;
    case 'Hex':
      return undefined;
    case 'IP':
      return bytes.length === 4 ? addresses(bytes) : undefined;
    case 'IPs':
      return bytes.length > 0 && bytes.length % 4 === 0 ? addresses(bytes) : undefined;
    case 'Int32':
      return bytes.length === 4 ? String((numbers(bytes, 4)[0] as number) | 0) : undefined;
    case 'UInt8':
      return bytes.length === 1 ? named(definition, bytes[0] as number) : undefined;
    case 'UInt8s':
      return numbers(bytes, 1).join(', ');
    case 'UInt16':
      return bytes.length === 2 ? named(definition, numbers(bytes, 2)[0] as number) : undefined;
    case 'UInt16s':
      return bytes.length % 2 === 0 ? numbers(bytes, 2).join(', ') : undefined;
    case 'UInt32':
      return bytes.length === 4 ? named(definition, numbers(bytes, 4)[0] as number) : undefined;
    default:
      return definition.type satisfies never;
  }
}

/** Network order; only as many as the text can show. */
function numbers(bytes: Uint8Array, size: number): readonly number[] {
  const shown: number[] = [];
  for (let at = 0; at + size <= bytes.length && shown.length <= MAXIMUM_TEXT; at += size) {
    shown.push(bytes.subarray(at, at + size).reduce((sum, byte) => sum * 256 + byte, 0));
  }
  return shown;
}

function addresses(bytes: Uint8Array): string {
  const shown: string[] = [];
  for (let at = 0; at < bytes.length && shown.length <= MAXIMUM_TEXT; at += 4) {
    shown.push(bytes.subarray(at, at + 4).join('.'));
  }
  return shown.join(', ');
}

function named({ values }: OptionDefinition, value: number): string {
  const name = values?.[value];
  return name === undefined ? String(value) : `${value} (${name})`;
}

function hex(bytes: Uint8Array): string {
  const shown = Array.from(bytes.subarray(0, MAXIMUM_TEXT), (byte) => byte.toString(16).padStart(2, '0'));
  return shorten(shown.join(' '));
}

function shorten(text: string): string {
  return text.length <= MAXIMUM_TEXT ? text : `${text.slice(0, MAXIMUM_TEXT - 3)}...`;
}
