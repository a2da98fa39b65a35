import { IPXE_HARDWARE_SETTINGS, readIpxeHardware } from '../boot/ipxe-hardware.ts';
import { readLabels } from '../boot/read-labels.ts';
import { printable } from '../document/printable.ts';
import { MACHINE_ARCHES, type MachineArch } from '../machine/architecture.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { Hardware } from '../machine/hardware.ts';
import { parseMac } from '../machine/mac.ts';

/** Characters of one value. SMBIOS strings that mean something have at most 64. */
const VALUE_LIMIT = 256;
const TEXT_FIELDS = ['serial', 'asset', 'manufacturer', 'product'] as const;

const OWN_NAMES = new Set([...TEXT_FIELDS, 'mac', 'uuid', 'arch', 'platform', 'choice']);
const HARDWARE_NAMES = ['platform', ...IPXE_HARDWARE_SETTINGS.map(([name]) => name)];
/** Everything else that a query says is a label. */
export const KNOWN_NAMES: ReadonlySet<string> = new Set([
  ...OWN_NAMES,
  'hardware',
  ...IPXE_HARDWARE_SETTINGS.map(([name]) => name),
]);

export type BootQuery =
  | {
      readonly kind: 'facts';
      readonly facts: MachineFacts;
      /** The role that was chosen from a menu. Whoever asks may say so. */
      readonly choice?: string;
      /** What iPXE reads of it; absent: it told nothing. */
      readonly hardware?: Hardware;
      readonly notes: readonly string[];
    }
  | { readonly kind: 'bad'; readonly message: string };

/**
 * Reads the query of `GET /ipxe`. Only the MAC must be right: what firmware keeps in SMBIOS is often junk, and junk
 * there must not stop a boot, so it is left out and noted. Values that are repeated or too long are no iPXE's. `at` is
 * when it was asked.
 */
export function parseBootQuery(query: Readonly<Record<string, unknown>>, at: number): BootQuery {
  // What else is told along is no reason not to answer.
  for (const name of OWN_NAMES) {
    const value = query[name];
    if (value === undefined) continue;
    if (typeof value !== 'string') return bad(`${printable(name, 32)} is given more than once`);
    if (value.length > VALUE_LIMIT)
      return bad(`${printable(name, 32)} is longer than ${VALUE_LIMIT} characters`);
  }
  const values = query as Readonly<Record<string, string>>;
  if (values.mac === undefined || values.mac === '') return bad('mac is missing');
  const mac = parseMac(values.mac);
  if (mac === undefined) return bad(`"${printable(values.mac, 40)}" is no MAC`);

  const notes: string[] = [];
  const facts: { -readonly [Key in keyof MachineFacts]: MachineFacts[Key] } = { mac };
  for (const name of TEXT_FIELDS) {
    const text = printable(values[name] ?? '', VALUE_LIMIT);
    if (text !== '') facts[name] = text;
  }
  const uuid = readUuid(values.uuid, notes);
  if (uuid !== undefined) facts.uuid = uuid;
  const arch = readArch(values.arch, notes);
  if (arch !== undefined) facts.arch = arch;
  const platform = values.platform ?? '';
  if (platform === 'pcbios' || platform === 'efi') facts.platform = platform;
  else if (platform !== '')
    notes.push(`its platform "${printable(platform, 40)}" is not one that iPXE reports`);
  const { labels, notes: aboutLabels } = readLabels(query, KNOWN_NAMES, printable);
  if (labels !== undefined) facts.labels = labels;
  notes.push(...aboutLabels);
  const choice = readChoice(values.choice, notes);
  const hardware = readIpxeHardware(toldOf(query), mac, at);
  return {
    kind: 'facts',
    facts,
    ...(choice === undefined ? {} : { choice }),
    ...(hardware === undefined ? {} : { hardware }),
    notes,
  };
}

/** What may say something of its hardware; the rest of the query, too long or repeated, is none of iPXE's. */
function toldOf(query: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> {
  const told: Record<string, string> = {};
  for (const name of HARDWARE_NAMES) {
    const value = query[name];
    if (typeof value === 'string' && value !== '' && value.length <= VALUE_LIMIT) told[name] = value;
  }
  return told;
}

function bad(problem: string): BootQuery {
  return { kind: 'bad', message: `${problem}; ask /ipxe?mac=52:54:00:12:34:56, as /boot.ipxe does` };
}

function readChoice(text: string | undefined, notes: string[]): string | undefined {
  if (text === undefined || text === '') return undefined;
  if (/^[a-z0-9-]{1,63}$/.test(text)) return text;
  notes.push(`its choice "${printable(text, 40)}" is no role`);
  return undefined;
}

function readUuid(text: string | undefined, notes: string[]): string | undefined {
  if (text === undefined || text === '') return undefined;
  const uuid = text.toLowerCase();
  if (/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(uuid)) return uuid;
  notes.push(`its UUID "${printable(text, 40)}" is none`);
  return undefined;
}

/** iPXE's `${buildarch}` has two names of its own; both spellings are read. */
function readArch(text: string | undefined, notes: string[]): MachineArch | undefined {
  if (text === undefined || text === '') return undefined;
  const name = { i386: 'x86', loong64: 'loongarch64' }[text] ?? text;
  const arch = MACHINE_ARCHES.find((known) => known === name);
  if (arch === undefined) notes.push(`its architecture "${printable(text, 40)}" is not known`);
  return arch;
}
