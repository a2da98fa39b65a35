import { UNSPECIFIED } from '../machine/ipv4.ts';
import { messageTypeOf } from '../protocol/dhcp/option-codes.ts';
import type { DhcpPacket } from '../protocol/dhcp/packet.ts';
import type { DhcpAction, Port4011Environment } from './dhcp-action.ts';
import type { NetworkClient } from './identify-client.ts';
import { offerBoot } from './offer-boot.ts';

/**
 * Port 4011, the boot server of PXE 2.1: DISCOVER and REQUEST, of every architecture. Some ROMs ask as architecture
 * 0 here although they are UEFI elsewhere (pixiecore refuses those): what their DISCOVER said is believed.
 */
export function answerPort4011(
  packet: DhcpPacket,
  client: NetworkClient,
  environment: Port4011Environment,
): DhcpAction {
  const type = messageTypeOf(packet);
  const uses = packet.ciaddr === UNSPECIFIED ? {} : { uses: packet.ciaddr };
  if (client.kind === 'ordinary')
    return { kind: 'silent', outcome: 'ignored', ...uses, reasons: client.reasons };
  if (type !== 'discover' && type !== 'request') {
    const what = type === undefined ? 'BOOTP' : type.toUpperCase();
    return { kind: 'silent', outcome: 'ignored', ...uses, reasons: [`port 4011 has no answer to ${what}`] };
  }
  const { boot, ...why } = offerBoot(asItWasDiscovered(client, environment), 'port4011', environment);
  if (boot === undefined) return { kind: 'silent', outcome: 'refused', ...uses, ...why };
  return { kind: 'reply', type: type === 'discover' ? 'offer' : 'ack', boot, ...why };
}

function asItWasDiscovered(
  client: NetworkClient,
  { discoveredAs: architecture }: Port4011Environment,
): NetworkClient {
  if (client.kind !== 'rom' || client.architecture?.code !== BIOS) return client;
  if (architecture === undefined || architecture.code === BIOS) return client;
  const reason = `its DISCOVER said ${architecture.code} (${architecture.label}): that counts`;
  return { ...client, architecture, reasons: [...client.reasons, reason] };
}

const BIOS = 0;
