import { UNSPECIFIED } from '../machine/ipv4.ts';
import { messageTypeOf } from '../protocol/dhcp/option-codes.ts';
import type { DhcpPacket } from '../protocol/dhcp/packet.ts';
import type { DhcpAction, DhcpEnvironment } from './dhcp-action.ts';
import type { NetworkClient } from './identify-client.ts';
import { offerBoot } from './offer-boot.ts';

/**
 * Port 4011, the boot server of PXE 2.1: DISCOVER and REQUEST, of every architecture. Some ROMs ask as architecture
 * 0 here although they are UEFI elsewhere (pixiecore refuses those).
 */
export function answerPort4011(
  packet: DhcpPacket,
  client: NetworkClient,
  environment: DhcpEnvironment,
): DhcpAction {
  const type = messageTypeOf(packet);
  const uses = packet.ciaddr === UNSPECIFIED ? {} : { uses: packet.ciaddr };
  if (client.kind === 'ordinary')
    return { kind: 'silent', outcome: 'ignored', ...uses, reasons: client.reasons };
  if (type !== 'discover' && type !== 'request') {
    const what = type === undefined ? 'BOOTP' : type.toUpperCase();
    return { kind: 'silent', outcome: 'ignored', ...uses, reasons: [`port 4011 has no answer to ${what}`] };
  }
  const { boot, reasons } = offerBoot(client, 'port4011', environment);
  if (boot === undefined) return { kind: 'silent', outcome: 'refused', ...uses, reasons };
  return { kind: 'reply', type: type === 'discover' ? 'offer' : 'ack', boot, reasons };
}
