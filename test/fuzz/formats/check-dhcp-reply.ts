import { isDeepStrictEqual } from 'node:util';
import { buildDhcpReply } from '../../../src/boot/build-dhcp-reply.ts';
import type { DhcpAction } from '../../../src/boot/dhcp-action.ts';
import { OPTION } from '../../../src/protocol/dhcp/option-codes.ts';
import { readUint16 } from '../../../src/protocol/dhcp/option-values.ts';
import {
  BOOTREPLY,
  type DhcpPacket,
  decodeDhcpPacket,
  encodeDhcpPacket,
} from '../../../src/protocol/dhcp/packet.ts';
import { ip } from '../../support/make-environment.ts';
import { hold } from '../engine/target.ts';
import { isPrintable } from './printable.ts';

/** RFC 2131 section 2: a datagram of 576 bytes, headers of IP and UDP included, is what every client takes. */
const EVERYBODY_TAKES = 576;
const HEADERS = 28;

/** Builds, encodes and decodes the reply, and holds it to the RFCs. Silence needs a reason, and is fine. */
export function checkDhcpAction(request: DhcpPacket, action: DhcpAction): void {
  hold(action.reasons.length > 0, 'a decision without a reason');
  for (const reason of action.reasons)
    hold(isPrintable(reason) && reason.length < 400, () => `reason ${JSON.stringify(reason)}`);
  if (action.kind === 'silent') return;
  const { type, address, boot, message, serverAddress = ip('10.77.0.1') } = action;
  const reply = buildDhcpReply({ request, type, serverAddress, address, boot, message });
  const bytes = encodeDhcpPacket(reply);
  const read = decodeDhcpPacket(bytes);
  hold(isDeepStrictEqual(plain(read), plain(reply)), 'the reply does not read back as it was built');
  hold(read.op === BOOTREPLY, 'it is no reply');
  for (const field of ['xid', 'giaddr', 'htype', 'hlen'] as const) {
    hold(read[field] === request[field], () => `${field} is ${read[field]}, not ${request[field]}`);
  }
  hold(Buffer.compare(read.chaddr, request.chaddr) === 0, 'chaddr is not the one that asked');
  hold((read.flags & 0x7fff) === (request.flags & 0x7fff), 'flags changed');
  hold(read.options.has(OPTION.serverIdentifier), 'no server identifier');
  checkRelay(request, read);
  checkSize(request, read, bytes.length);
  if (type === 'nak') hold(read.yiaddr === 0 && read.siaddr === 0, 'a NAK gives an address or a server');
}

/** Option 53 goes first and 82 last; a map knows no order here. */
const plain = ({ options, ...rest }: DhcpPacket) => ({
  ...rest,
  chaddr: [...rest.chaddr],
  options: Object.fromEntries([...options].map(([code, value]) => [code, [...value]])),
});

/** RFC 3046 section 2.2: the whole of it comes back, and nothing where nothing came. */
function checkRelay(request: DhcpPacket, reply: DhcpPacket): void {
  const asked = request.options.get(OPTION.relayAgentInformation);
  const told = reply.options.get(OPTION.relayAgentInformation);
  hold((asked === undefined) === (told === undefined), 'option 82 came or went');
  if (asked !== undefined && told !== undefined) hold(Buffer.compare(asked, told) === 0, 'option 82 changed');
}

/** What the relay takes out again does not reach the client. */
function checkSize(request: DhcpPacket, reply: DhcpPacket, length: number): void {
  const relay = reply.options.get(OPTION.relayAgentInformation)?.length;
  const relayed = relay === undefined ? 0 : relay + 2 * Math.max(1, Math.ceil(relay / 255));
  const limit =
    Math.max(readUint16(request.options, OPTION.maximumMessageSize) ?? 0, EVERYBODY_TAKES) - HEADERS;
  hold(length - relayed <= limit, () => `${length - relayed} bytes where the client takes ${limit}`);
}
