import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { decodeTftpPacket, type TftpPacket } from '../../../src/protocol/tftp/packet.ts';

/** Packets as they came by, for fixtures. */
export interface RelayedPacket {
  readonly way: 'up' | 'down';
  readonly bytes: Buffer;
}

/** How many copies of a packet go on: 0 drops it. `nth` counts the packets of its kind and block number, from 1. */
export type RelayRule = (packet: TftpPacket, way: 'up' | 'down', nth: number) => number;

/** Stands between one client at a time and a server, and loses or doubles chosen packets. */
export async function startRelay(serverPort: number, rule: RelayRule) {
  const front = await open();
  const back = await open();
  const seen = new Map<string, number>();
  const packets: RelayedPacket[] = [];
  let client = 0;
  let transfer = serverPort;

  const copies = (bytes: Buffer, way: 'up' | 'down'): number => {
    packets.push({ way, bytes });
    const packet = decodeTftpPacket(bytes);
    const key = `${way} ${packet.kind} ${'block' in packet ? packet.block : ''}`;
    const nth = (seen.get(key) ?? 0) + 1;
    seen.set(key, nth);
    return rule(packet, way, nth);
  };
  front.on('message', (bytes, from) => {
    client = from.port;
    const request = bytes[1] === 1;
    for (let copy = copies(bytes, 'up'); copy > 0; copy--) {
      back.send(bytes, request ? serverPort : transfer, '127.0.0.1');
    }
  });
  back.on('message', (bytes, from) => {
    transfer = from.port;
    for (let copy = copies(bytes, 'down'); copy > 0; copy--) front.send(bytes, client, '127.0.0.1');
  });
  return {
    port: front.address().port,
    packets,
    close() {
      front.close();
      back.close();
    },
  };
}

async function open(): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}
