import type { Hardware } from '../machine/hardware.ts';
import { cleanText } from '../protocol/syslog/clean-text.ts';
import { describeCpu, formatBytes } from './describe-hardware.ts';
import { maskSessionTokens } from './session-token.ts';

/** Of one machine. Beyond, what comes last is left out. */
const MOST_DISKS = 64;
const MOST_CARDS = 64;
const TEXT_LENGTH = 96;
/** Characters as JSON: what the database keeps of it. */
const MOST_CHARACTERS = 16 * 1024;

type Fields = Readonly<Record<string, unknown>>;

/**
 * What a machine says of its hardware (see Hardware), from parsed JSON. Nothing in it is trusted: what is of another
 * type, not finite or negative is left out, texts and lists are cut, unknown keys are no error. Undefined: it is no
 * object, or says nothing.
 */
export function readHardware(value: unknown, source: Hardware['source'], at: number): Hardware | undefined {
  const fields = object(value);
  if (fields === undefined) return undefined;
  const cpu = readCpu(object(fields.cpu));
  const memory = whole(fields.memory);
  const firmware = readFirmware(object(fields.firmware));
  const board = text(fields.board);
  const disks = list(fields.disks, MOST_DISKS).flatMap((disk) => readDisk(disk) ?? []);
  const network = list(fields.network, MOST_CARDS).flatMap((card) => readCard(card) ?? []);
  const said = cpu ?? memory ?? firmware ?? board ?? disks[0] ?? network[0];
  if (said === undefined) return undefined;
  const known = {
    at,
    source,
    ...(cpu === undefined ? {} : { cpu }),
    ...(memory === undefined ? {} : { memory }),
    ...(board === undefined ? {} : { board }),
    ...(firmware === undefined ? {} : { firmware }),
  };
  return fit({ ...known, disks, network });
}

/** Whether it says anything new: the time alone is nothing. */
export function isSameHardware(one: Hardware | undefined, other: Hardware): boolean {
  return one !== undefined && JSON.stringify({ ...one, at: 0 }) === JSON.stringify({ ...other, at: 0 });
}

/** One line: the processor, memory, how many disks and cards. Empty parts are left out. */
export function summarizeHardware({ cpu, memory, disks, network }: Hardware): string {
  return [
    cpu === undefined ? '' : describeCpu(cpu),
    memory === undefined ? '' : `${formatBytes(memory)} memory`,
    disks.length === 0 ? '' : `${disks.length} ${disks.length === 1 ? 'disk' : 'disks'}`,
    network.length === 0 ? '' : `${network.length} network ${network.length === 1 ? 'card' : 'cards'}`,
  ]
    .filter((part) => part !== '')
    .join(', ');
}

/** Disks and cards are the only parts that may be too large. */
function fit(hardware: Hardware): Hardware {
  let fitting = hardware;
  while (JSON.stringify(fitting).length > MOST_CHARACTERS) {
    const disks = fitting.disks.length > fitting.network.length;
    fitting = disks
      ? { ...fitting, disks: fitting.disks.slice(0, -1) }
      : { ...fitting, network: fitting.network.slice(0, -1) };
  }
  return fitting;
}

function readCpu(fields: Fields | undefined): Hardware['cpu'] {
  const model = text(fields?.model);
  if (model === undefined) return undefined;
  const count = whole(fields?.count);
  return { model, ...(count === undefined || count === 0 ? {} : { count }) };
}

function readDisk(value: unknown): Hardware['disks'][number] | undefined {
  const fields = object(value);
  const name = text(fields?.name);
  if (name === undefined) return undefined;
  const model = text(fields?.model);
  const bytes = whole(fields?.bytes);
  return {
    name,
    ...(model === undefined ? {} : { model }),
    ...(bytes === undefined ? {} : { bytes }),
  };
}

function readCard(value: unknown): Hardware['network'][number] | undefined {
  const fields = object(value);
  const name = text(fields?.name);
  if (name === undefined) return undefined;
  const mac = text(fields?.mac)?.toLowerCase();
  const driver = text(fields?.driver);
  const speed = whole(fields?.speed);
  const link = truth(fields?.link);
  return {
    name,
    ...(mac === undefined ? {} : { mac }),
    ...(driver === undefined ? {} : { driver }),
    ...(speed === undefined || speed === 0 ? {} : { speed }),
    ...(link === undefined ? {} : { link }),
  };
}

function readFirmware(fields: Fields | undefined): Hardware['firmware'] {
  const kind = (['bios', 'uefi'] as const).find((known) => known === fields?.kind);
  const vendor = text(fields?.vendor);
  const version = text(fields?.version);
  const date = text(fields?.date);
  const secureBoot = truth(fields?.secureBoot);
  const firmware = {
    ...(kind === undefined ? {} : { kind }),
    ...(vendor === undefined ? {} : { vendor }),
    ...(version === undefined ? {} : { version }),
    ...(date === undefined ? {} : { date }),
    ...(secureBoot === undefined ? {} : { secureBoot }),
  };
  return Object.keys(firmware).length === 0 ? undefined : firmware;
}

function object(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}

function list(value: unknown, most: number): readonly unknown[] {
  return Array.isArray(value) ? value.slice(0, most) : [];
}

/** Masked before it is cut: half a token would not be known as one. */
function text(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const clean = maskSessionTokens(cleanText(value).replace(/ {2,}/g, ' '))
    .slice(0, TEXT_LENGTH)
    .toWellFormed();
  return clean === '' ? undefined : clean;
}

function whole(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function truth(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : undefined;
}
