import { type Ipv4, ipv4FromBytes, ipv4ToBytes } from '../../machine/ipv4.ts';
import { decodeSuboptions, encodeSuboptions, type Suboptions } from './suboptions.ts';

/*
 * Relay agent information (RFC 3046): sub-options, neither padded nor ended. A server echoes the option's bytes as they
 * came, as the last option; what stands inside is for choosing a subnet and for people.
 *
 *   +---+-----+------------+---+-----+-----------+
 *   | 1 | len | circuit id | 2 | len | remote id |
 *   +---+-----+------------+---+-----+-----------+
 */
export const RELAY_SUBOPTION = {
  circuitId: 1,
  remoteId: 2,
  /** RFC 3527: the subnet to give an address from, where `giaddr` is in another. */
  linkSelection: 5,
  /** RFC 3993. */
  subscriberId: 6,
  /** RFC 5107: what to put in option 54, so that renewals pass through the relay. */
  serverIdentifierOverride: 11,
} as const;

export interface RelayAgentInformation {
  readonly circuitId?: Uint8Array;
  readonly remoteId?: Uint8Array;
  readonly linkSelection?: Ipv4;
  readonly subscriberId?: Uint8Array;
  readonly serverIdentifierOverride?: Ipv4;
}

/** Never throws: damaged or unknown parts are left out of the named fields. */
export function decodeRelayAgentInformation(
  bytes: Uint8Array,
): RelayAgentInformation & { readonly all: Suboptions } {
  const all = decodeSuboptions(bytes, { padded: false });
  const circuitId = all.get(RELAY_SUBOPTION.circuitId);
  const remoteId = all.get(RELAY_SUBOPTION.remoteId);
  const subscriberId = all.get(RELAY_SUBOPTION.subscriberId);
  const link = all.get(RELAY_SUBOPTION.linkSelection);
  const override = all.get(RELAY_SUBOPTION.serverIdentifierOverride);
  return {
    all,
    ...(circuitId === undefined ? {} : { circuitId }),
    ...(remoteId === undefined ? {} : { remoteId }),
    ...(subscriberId === undefined ? {} : { subscriberId }),
    ...(link?.length === 4 ? { linkSelection: ipv4FromBytes(link) } : {}),
    ...(override?.length === 4 ? { serverIdentifierOverride: ipv4FromBytes(override) } : {}),
  };
}

/** For virtual relays in tests and simulation. */
export function encodeRelayAgentInformation(information: RelayAgentInformation): Uint8Array {
  const suboptions = new Map<number, Uint8Array>();
  const { circuitId, remoteId, linkSelection, subscriberId, serverIdentifierOverride } = information;
  if (circuitId !== undefined) suboptions.set(RELAY_SUBOPTION.circuitId, circuitId);
  if (remoteId !== undefined) suboptions.set(RELAY_SUBOPTION.remoteId, remoteId);
  if (linkSelection !== undefined) suboptions.set(RELAY_SUBOPTION.linkSelection, ipv4ToBytes(linkSelection));
  if (subscriberId !== undefined) suboptions.set(RELAY_SUBOPTION.subscriberId, subscriberId);
  if (serverIdentifierOverride !== undefined) {
    suboptions.set(RELAY_SUBOPTION.serverIdentifierOverride, ipv4ToBytes(serverIdentifierOverride));
  }
  return encodeSuboptions(suboptions, { padded: false });
}
