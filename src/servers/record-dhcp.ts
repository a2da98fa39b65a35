import { type Ipv4, LIMITED_BROADCAST, parseIpv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { type Mac, macFromBytes } from '../machine/mac.ts';
import type { DatagramEnd, PacketRecorder } from './port.ts';

export interface DhcpTap {
  /** Also what does not decode: that is what one wants to look at. */
  received(bytes: Uint8Array, source: { readonly address: string; readonly port: number }): void;
  sent(bytes: Uint8Array, serverAddress: Ipv4, destination: DatagramEnd): void;
}

export interface DhcpTapOptions {
  readonly recorder?: PacketRecorder | undefined;
  readonly via: string;
  readonly port: number;
  readonly serverAddress: () => Ipv4;
}

/** Shows the recorder what goes by ports 67 and 4011. */
export function createDhcpTap({ recorder, via, port, serverAddress }: DhcpTapOptions): DhcpTap {
  const show = (
    direction: 'received' | 'sent',
    bytes: Uint8Array,
    from: DatagramEnd,
    to: DatagramEnd,
  ): void => {
    const mac = ownerOf(bytes);
    if (mac !== undefined) recorder?.record({ plane: 'dhcp', direction, via, mac, from, to, payload: bytes });
  };
  return {
    received(bytes, source) {
      const from = endOf(source);
      // The socket does not say which address was asked: who has none of its own can only broadcast.
      const isBroadcast = from.address === UNSPECIFIED || (port === 67 && hasNoAddress(bytes));
      const to = { address: isBroadcast ? LIMITED_BROADCAST : serverAddress(), port };
      show('received', bytes, from, to);
    },
    sent: (bytes, address, destination) => show('sent', bytes, { address, port }, destination),
  };
}

function endOf({ address, port }: { readonly address: string; readonly port: number }): DatagramEnd {
  return { address: parseIpv4(address) ?? UNSPECIFIED, port };
}

const HLEN_AT = 2;
const CIADDR_AT = 12;
const GIADDR_AT = 24;
const CHADDR_AT = 28;
const ETHERNET_LENGTH = 6;

/** Undefined: it is too short for a hardware address, or has another kind of it. */
function ownerOf(bytes: Uint8Array): Mac | undefined {
  if (bytes.length < CHADDR_AT + ETHERNET_LENGTH || bytes[HLEN_AT] !== ETHERNET_LENGTH) return undefined;
  return macFromBytes(bytes, CHADDR_AT);
}

/** Neither the client nor a relay on its behalf. */
function hasNoAddress(bytes: Uint8Array): boolean {
  for (const at of ADDRESSES_AT)
    for (let index = at; index < at + 4; index++)
      if (bytes[index] !== undefined && bytes[index] !== 0) return false;
  return true;
}

const ADDRESSES_AT = [CIADDR_AT, GIADDR_AT];
