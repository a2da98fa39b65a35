import { formatIpv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { messageTypeOf, OPTION } from '../protocol/dhcp/option-codes.ts';
import { readIpv4 } from '../protocol/dhcp/option-values.ts';
import type { DhcpPacket } from '../protocol/dhcp/packet.ts';
import type { DhcpAction, DhcpEnvironment } from './dhcp-action.ts';
import type { NetworkClient } from './identify-client.ts';
import { offerBoot } from './offer-boot.ts';

/**
 * Port 67 beside another DHCP server: a DISCOVER of a network boot gets an offer without an address, and everybody
 * else silence. A REQUEST selects the other server and is never acknowledged here (RFC 2131 4.3.2), but it shows
 * which address the machine is about to use.
 */
export function answerProxy(
  packet: DhcpPacket,
  client: NetworkClient,
  environment: DhcpEnvironment,
): DhcpAction {
  const type = messageTypeOf(packet);
  if (client.kind === 'ordinary') return { kind: 'silent', outcome: 'ignored', reasons: client.reasons };
  if (type === 'request') {
    const requested = readIpv4(packet.options, OPTION.requestedAddress);
    const uses = requested ?? (packet.ciaddr === UNSPECIFIED ? undefined : packet.ciaddr);
    const server = readIpv4(packet.options, OPTION.serverIdentifier);
    const who = server === undefined ? 'another server' : formatIpv4(server);
    return {
      kind: 'silent',
      outcome: 'noted',
      ...(uses === undefined ? {} : { uses }),
      reasons: [`it takes its address from ${who}; a proxy only offers the boot`],
    };
  }
  if (type !== 'discover') {
    const what = type === undefined ? 'BOOTP' : type.toUpperCase();
    return { kind: 'silent', outcome: 'ignored', reasons: [`proxy mode has no answer to ${what}`] };
  }
  const { boot, ...why } = offerBoot(client, 'proxy', environment);
  if (boot === undefined) return { kind: 'silent', outcome: 'refused', ...why };
  return { kind: 'reply', type: 'offer', boot, ...why };
}
