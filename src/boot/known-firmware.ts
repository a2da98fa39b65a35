import {
  architectureByName,
  FIRMWARE_ARCHITECTURES,
  type FirmwareArchitecture,
} from '../machine/architecture.ts';
import type { BootEvent } from '../machine/event.ts';
import type { MachineFacts } from '../machine/facts.ts';
import { architectureInReasons } from './identify-client.ts';

export interface KnownFirmware {
  readonly architecture?: FirmwareArchitecture;
  readonly reasons: readonly string[];
}

/**
 * Which firmware a machine boots with: what it said in DHCP when it last asked, else what its iPXE told of its platform
 * and its processor. `events`: oldest first.
 */
export function knownFirmware(facts: MachineFacts, events: readonly BootEvent[]): KnownFirmware {
  for (const { reasons } of events.toReversed()) {
    const architecture = architectureInReasons(reasons);
    if (architecture !== undefined)
      return { architecture, reasons: [`it asked as ${architecture.code} (${architecture.label})`] };
  }
  const { arch, platform } = facts;
  if (arch === undefined) return { reasons: ['it has not said what it is'] };
  if (platform === 'pcbios') return named('bios', `its iPXE told: ${arch}, BIOS`);
  const possible = FIRMWARE_ARCHITECTURES.filter(
    (one) => one.arch === arch && one.transport === 'tftp' && one.firmware !== 'other',
  );
  const uefi = possible.find(({ firmware }) => firmware === 'uefi');
  if (uefi === undefined) return { reasons: [`${arch} is no firmware that boots from a network`] };
  if (platform === 'efi') return named(uefi.name, `its iPXE told: ${arch}, UEFI`);
  // A BIOS machine counts as x86_64, too.
  if (possible.some(({ firmware }) => firmware === 'bios'))
    return { reasons: [`its processor is ${arch}, and whether it boots by BIOS or UEFI is not known`] };
  return named(uefi.name, `its processor is ${arch}`);
}

function named(name: string, reason: string): KnownFirmware {
  const architecture = architectureByName(name);
  return { ...(architecture === undefined ? {} : { architecture }), reasons: [reason] };
}
