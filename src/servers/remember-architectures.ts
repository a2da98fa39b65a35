import type { NetworkClient } from '../boot/identify-client.ts';
import type { FirmwareArchitecture } from '../machine/architecture.ts';
import type { Mac } from '../machine/mac.ts';
import type { MessageType } from '../protocol/dhcp/option-codes.ts';

/** Firmware goes on to port 4011 within seconds of its DISCOVER. In ms. */
const LIFETIME = 60_000;
/** A flood of forged addresses must not grow the map; the oldest entry goes first. */
const MAX_MACHINES = 10_000;

export interface ArchitectureMemory {
  /** To be called with each packet on port 67; a ROM's DISCOVER is what counts. */
  notice(client: NetworkClient, type: MessageType | undefined, now: number): void;
  recall(mac: Mac, now: number): FirmwareArchitecture | undefined;
}

/** What machines said they are on port 67, for those that say something else on port 4011. */
export function rememberArchitectures(): ArchitectureMemory {
  const heard = new Map<Mac, { readonly architecture: FirmwareArchitecture; readonly at: number }>();
  return {
    notice({ kind, mac, architecture }, type, now) {
      if (kind !== 'rom' || type !== 'discover' || architecture === undefined) return;
      heard.delete(mac);
      heard.set(mac, { architecture, at: now });
      const [oldest] = heard.keys();
      if (heard.size > MAX_MACHINES && oldest !== undefined) heard.delete(oldest);
    },
    recall(mac, now) {
      const known = heard.get(mac);
      return known === undefined || Math.abs(now - known.at) > LIFETIME ? undefined : known.architecture;
    },
  };
}
