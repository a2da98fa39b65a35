import { isSameHardware, summarizeHardware } from '../boot/read-hardware.ts';
import type { Hardware } from '../machine/hardware.ts';
import type { Mac } from '../machine/mac.ts';
import { type BootRequest, originOf, type RouteDeps } from './answer.ts';

/** Begins what askUrl adds to the query. */
const MARK = '&hardware=';

/** The timeline shows what was asked; of the hardware it has an event of its own. */
export function withoutHardware(asked: string): string {
  const [before = ''] = asked.split(MARK, 1);
  return before;
}

/**
 * Remembers what iPXE told of its machine, where it is new: a machine that waits asks every few seconds. What Linux
 * told is more, and stays.
 */
export function noteHardware(
  deps: RouteDeps,
  request: BootRequest,
  mac: Mac,
  hardware: Hardware | undefined,
): void {
  if (hardware === undefined) return;
  const known = deps.journal.machine(mac)?.hardware;
  if (known?.source === 'linux' || isSameHardware(known, hardware)) return;
  deps.journal.record({
    ...originOf(deps, request),
    kind: 'http.hardware',
    outcome: 'noted',
    asked: 'its hardware, as iPXE reads it',
    answered: '',
    reasons: [summarizeHardware(hardware)].filter((text) => text !== ''),
    mac,
    hardware,
  });
}
