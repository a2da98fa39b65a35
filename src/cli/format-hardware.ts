import { cardParts, describeCpu, diskParts, formatBytes } from '../boot/describe-hardware.ts';
import type { Hardware } from '../machine/hardware.ts';

/** Of a list in a timeline: a rack of disks is in the JSON. */
const MOST_SHOWN = 12;

/** What a machine is made of, a line for each part of it. Texts are the machine's: not yet fit for a terminal. */
export function formatHardware(hardware: Hardware): readonly string[] {
  const { cpu, memory, board, firmware, disks, network, source } = hardware;
  const rows: readonly (readonly [string, string])[] = [
    ['cpu', cpu === undefined ? '' : describeCpu(cpu)],
    ['memory', memory === undefined ? '' : formatBytes(memory)],
    ['board', board ?? ''],
    ['firmware', firmware === undefined ? '' : describeFirmware(firmware)],
    ...disks
      .slice(0, MOST_SHOWN)
      .map((disk) => ['disk', [disk.name, ...diskParts(disk)].join('  ')] as const),
    ...network
      .slice(0, MOST_SHOWN)
      .map((card) => ['network', [card.name, ...cardParts(card)].join('  ')] as const),
  ];
  const more = Math.max(0, disks.length - MOST_SHOWN) + Math.max(0, network.length - MOST_SHOWN);
  return [
    ...rows.filter(([, text]) => text !== '').map(([name, text]) => `  ${name.padEnd(9)} ${text}`),
    ...(more > 0 ? [`            and ${more} more: --json`] : []),
    ...(source === 'ipxe'
      ? ['            (as iPXE reads it; the role rescue tells of disks and all cards)']
      : []),
  ];
}

/** For a column: `16 × Xeon…`. Not yet fit for a terminal. */
export function formatCpu(hardware: Hardware | undefined): string {
  const { cpu } = hardware ?? {};
  if (cpu === undefined) return '-';
  const short = cpu.model.length > 32 ? `${cpu.model.slice(0, 31)}…` : cpu.model;
  return cpu.count === undefined ? short : `${cpu.count} × ${short}`;
}

export function formatMemory(hardware: Hardware | undefined): string {
  return hardware?.memory === undefined ? '-' : formatBytes(hardware.memory);
}

function describeFirmware({
  kind,
  vendor,
  version,
  date,
  secureBoot,
}: NonNullable<Hardware['firmware']>): string {
  const secure = secureBoot === undefined ? '' : `Secure Boot ${secureBoot ? 'on' : 'off'}`;
  return [kind?.toUpperCase() ?? '', vendor ?? '', version ?? '', date ?? '', secure]
    .filter(isSaid)
    .join('  ');
}

function isSaid(text: string): boolean {
  return text !== '';
}
