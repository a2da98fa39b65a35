import type { Hardware } from '../machine/hardware.ts';

/** As people call it: memory of 16,374,562,816 bytes is 15.3 GiB. */
export function formatBytes(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let value = Math.max(0, bytes);
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value >= 100 || Number.isInteger(value) ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** `16 × AMD EPYC …`. The model is the machine's text, as those of disks and cards are: not yet fit for anything. */
export function describeCpu({ count, model }: NonNullable<Hardware['cpu']>): string {
  return `${count === undefined ? '' : `${count} × `}${model}`;
}

/** What is known of a disk beside its name. */
export function diskParts({ model, bytes }: Hardware['disks'][number]): readonly string[] {
  return [bytes === undefined ? '' : formatBytes(bytes), model ?? ''].filter(isSaid);
}

/** What is known of a network card beside its name. */
export function cardParts({ mac, driver, speed, link }: Hardware['network'][number]): readonly string[] {
  const state = link === undefined ? '' : link ? 'link' : 'no link';
  const rate = speed === undefined ? '' : speed >= 1000 ? `${speed / 1000} Gbit/s` : `${speed} Mbit/s`;
  return [mac ?? '', driver ?? '', rate, state].filter(isSaid);
}

function isSaid(text: string): boolean {
  return text !== '';
}
