import { setTimeout as delay } from 'node:timers/promises';
import { runProgram } from '../../src/lab/run-program.ts';
import type { ClientPort } from '../../src/lab/virtual-client.ts';
import { formatIpv4, type Ipv4, parseIpv4 } from '../../src/machine/ipv4.ts';
import { type Mac, parseMac } from '../../src/machine/mac.ts';
import { type MessageType, messageTypeOf } from '../../src/protocol/dhcp/option-codes.ts';
import { decodeDhcpPacket, encodeDhcpPacket } from '../../src/protocol/dhcp/packet.ts';
import { makeRequest, type RequestShape } from '../support/make-request.ts';
import type { HallEvent } from './hall-port.ts';

/** What an operating system does with its address. */
export interface Holder {
  renew(mac: string, address: Ipv4): Promise<void>;
  release(mac: string, address: Ipv4): Promise<void>;
}

export interface AskDeps {
  readonly port: ClientPort;
  readonly randomXid: () => number;
}

const PATIENCE = 1_500;
const TRIES = 3;

export function address(text: string): Ipv4 {
  const parsed = parseIpv4(text);
  if (parsed === undefined) throw new Error(`${text} is no address`);
  return parsed;
}

/** Sends, and again, until an answer comes. `silence`: none did. */
export async function askOnce(
  { port, randomXid }: AskDeps,
  shape: RequestShape & { readonly mac: Mac },
  to: Ipv4,
  tries = 1,
): Promise<{ readonly type: MessageType | 'silence'; readonly yiaddr: Ipv4 }> {
  const xid = randomXid();
  const heard = Promise.withResolvers<Uint8Array>();
  const unsubscribe = port.subscribe(xid, shape.mac, ({ bytes }) => heard.resolve(bytes));
  try {
    for (let attempt = 0; attempt < tries; attempt++) {
      await port.send(encodeDhcpPacket({ ...makeRequest(shape), xid }), to, 67).catch(() => undefined);
      const bytes = await Promise.race([heard.promise, delay(PATIENCE)]);
      if (bytes === undefined) continue;
      const packet = decodeDhcpPacket(bytes);
      const type = messageTypeOf(packet);
      if (type !== undefined) return { type, yiaddr: packet.yiaddr };
    }
    return { type: 'silence', yiaddr: 0 as Ipv4 };
  } finally {
    unsubscribe();
  }
}

export function createHolder(
  deps: AskDeps & {
    readonly device: string;
    readonly server: string;
    readonly say: (event: HallEvent) => void;
  },
): Holder {
  const { device, say } = deps;
  const server = address(deps.server);
  return {
    async renew(mac, own) {
      const parsed = parseMac(mac);
      if (parsed === undefined) return;
      const text = formatIpv4(own);
      // An answer to a renewal goes to the address itself, so somebody must have it.
      await runProgram(['ip', 'address', 'replace', `${text}/32`, 'dev', device]);
      try {
        const at = Date.now();
        const { type } = await askOnce(
          deps,
          { type: 'request', mac: parsed, ciaddr: own, flags: 0 },
          server,
          TRIES,
        );
        const answer = type === 'ack' || type === 'nak' ? type : 'silence';
        say({ kind: 'renewed', at, mac, address: text, answer });
      } finally {
        await runProgram(['ip', 'address', 'del', `${text}/32`, 'dev', device]).catch(() => undefined);
      }
    },
    async release(mac, own) {
      const parsed = parseMac(mac);
      if (parsed === undefined) return;
      // It holds nothing any more from the moment that it says so, whether it is heard or not.
      say({ kind: 'released', at: Date.now(), mac, address: formatIpv4(own) });
      const packet = makeRequest({ type: 'release', mac: parsed, ciaddr: own, server, flags: 0 });
      await deps.port
        .send(encodeDhcpPacket({ ...packet, xid: deps.randomXid() }), server, 67)
        .catch(() => undefined);
    },
  };
}
