import { DEFAULT_LIMITS } from './listeners.ts';
import type { HttpLimits } from './port.ts';

/** A connection, the same one for the thread that sends, and the file that it downloads. */
const DESCRIPTORS_EACH = 3;
/** Of what the process may open, this much is for HTTP; the rest for TFTP, DHCP, the database and files. */
const SHARE = 1 / 2;
const FEWEST = 16;

/**
 * The bounds on connections where the process may have `descriptors` open; undefined: as many as it wants. Without
 * room for another one Node closes the newest connections unasked, which are the machines': here the oldest that ask
 * for nothing go.
 */
export function limitsWithin(descriptors: number | undefined): Partial<HttpLimits> {
  if (descriptors === undefined) return {};
  const fit = Math.max(FEWEST, Math.floor((descriptors * SHARE) / DESCRIPTORS_EACH));
  return {
    connections: Math.min(DEFAULT_LIMITS.connections, fit),
    connectionsPerAddress: Math.min(DEFAULT_LIMITS.connectionsPerAddress, Math.ceil(fit / 2)),
    toldConnections: Math.min(DEFAULT_LIMITS.toldConnections, Math.floor(fit / 2)),
  };
}
