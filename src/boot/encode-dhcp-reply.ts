import { type Ipv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { OPTION } from '../protocol/dhcp/option-codes.ts';
import { ipv4Value, textValue } from '../protocol/dhcp/option-values.ts';
import { encodeDhcpPacket, encodeDhcpPacketWith } from '../protocol/dhcp/packet.ts';
import {
  buildDhcpReply,
  headerOf,
  type ReplyInput,
  TYPE_VALUES,
  valuesOfSubnet,
} from './build-dhcp-reply.ts';
import type { Subnet } from './subnet.ts';

/** What the length byte of an option can say. */
const MOST = 255;

/** The bytes of the reply that buildDhcpReply makes. Most tell an ordinary machine what all of its subnet are told: it is put together of pieces. */
export function encodeDhcpReply(input: ReplyInput): Uint8Array {
  const { request, type, serverAddress, address, boot, message } = input;
  const uuid = request.options.get(OPTION.clientUuid);
  const relayInformation = request.options.get(OPTION.relayAgentInformation);
  const isPlain = boot === undefined && message === undefined && uuid === undefined;
  const pieces = isPlain && address !== undefined ? piecesOfSubnet(address.subnet) : 'long';
  const isShort = (relayInformation?.length ?? 0) <= MOST && (address?.hostname?.length ?? 0) <= MOST;
  if (address === undefined || pieces === 'long' || !isShort) return encodeDhcpPacket(buildDhcpReply(input));
  const { hostname } = address;
  const all = [
    firstPiece(type, serverAddress),
    address.address === UNSPECIFIED ? pieces.without : pieces.withTimes,
  ];
  if (hostname !== undefined) all.push(pieceOf(OPTION.hostName, textValue(hostname)));
  if (pieces.names.length > 0) all.push(pieces.names);
  if (relayInformation !== undefined) all.push(pieceOf(OPTION.relayAgentInformation, relayInformation));
  return encodeDhcpPacketWith(headerOf(input), all);
}

/** Option 53 and 54: of the server that answered last. */
let firstPieces:
  | { readonly address: Ipv4; readonly byType: Record<ReplyInput['type'], Uint8Array> }
  | undefined;

function firstPiece(type: ReplyInput['type'], address: Ipv4): Uint8Array {
  if (firstPieces?.address !== address) {
    const piece = (one: ReplyInput['type']) =>
      pieceOf(OPTION.messageType, TYPE_VALUES[one], OPTION.serverIdentifier, ipv4Value(address));
    firstPieces = { address, byType: { offer: piece('offer'), ack: piece('ack'), nak: piece('nak') } };
  }
  return firstPieces.byType[type];
}

/** Options one after the other, each a code and its value of at most MOST bytes. */
function pieceOf(...options: readonly (number | Uint8Array)[]): Uint8Array {
  const bytes: number[] = [];
  for (const option of options) {
    if (typeof option === 'number') bytes.push(option);
    else bytes.push(option.length, ...option);
  }
  return Uint8Array.from(bytes);
}

interface SubnetPieces {
  readonly withTimes: Uint8Array;
  readonly without: Uint8Array;
  readonly names: Uint8Array;
}

const subnetPieces = new WeakMap<Subnet, SubnetPieces | 'long'>();

/** `long`: a value takes more than one option. */
function piecesOfSubnet(subnet: Subnet): SubnetPieces | 'long' {
  const known = subnetPieces.get(subnet);
  if (known !== undefined) return known;
  const { times, network, names } = valuesOfSubnet(subnet);
  const isLong = [...times, ...network, ...names].some(([, value]) => value.length > MOST);
  const pieces = isLong
    ? ('long' as const)
    : {
        withTimes: pieceOf(...times.flat(), ...network.flat()),
        without: pieceOf(...network.flat()),
        names: pieceOf(...names.flat()),
      };
  subnetPieces.set(subnet, pieces);
  return pieces;
}
