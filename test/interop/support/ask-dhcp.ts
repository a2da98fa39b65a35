/*
 * Asks a DHCP server in a client's or a relay agent's stead, one question after the other, and prints the answers as
 * JSON. argv is a list of Question. A program of its own, since a namespace is entered by a process.
 */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { formatIpv4, type Ipv4, parseIpv4 } from '../../../src/machine/ipv4.ts';
import { type Mac, macFromBytes } from '../../../src/machine/mac.ts';
import { messageTypeOf, OPTION } from '../../../src/protocol/dhcp/option-codes.ts';
import { readIpv4 } from '../../../src/protocol/dhcp/option-values.ts';
import { BOOTREPLY, decodeDhcpPacket, encodeDhcpPacket } from '../../../src/protocol/dhcp/packet.ts';
import { BIOS_ROM, makeRequest, UEFI_ROM } from '../../support/make-request.ts';
import type { Answer, Question } from './ask-dhcp-port.ts';

/** Milliseconds without an answer that are called silence. */
const PATIENCE = 1500;

const address = (text: string | undefined): Ipv4 | undefined =>
  text === undefined ? undefined : parseIpv4(text);
const roms = { uefi: UEFI_ROM, bios: BIOS_ROM } as const;

/** 67 is where a relay agent listens, 68 a client, 4011 EDK2 as well. */
const sockets = await Promise.all(
  [67, 68, 4011].map(async (port) => {
    const socket = createSocket('udp4');
    socket.bind(port);
    await once(socket, 'listening');
    socket.setBroadcast(true);
    return { port, socket };
  }),
);

let xid = 1;

async function ask(question: Question): Promise<Answer> {
  const { type, mac, rom, to = '255.255.255.255', port = 67 } = question;
  const requested = address(question.requested);
  const server = address(question.server);
  const ciaddr = address(question.ciaddr);
  const giaddr = address(question.giaddr);
  const wanted = ++xid;
  const request = makeRequest({
    type,
    mac: mac as Mac,
    ...(rom !== undefined && roms[rom]),
    ...(requested !== undefined && { requested }),
    ...(server !== undefined && { server }),
    ...(ciaddr !== undefined && { ciaddr }),
    ...(giaddr !== undefined && { giaddr }),
  });
  const answer = Promise.withResolvers<Answer>();
  const listeners = sockets.map(({ port: heardOn, socket }) => {
    const listener = (bytes: Uint8Array): void => {
      const reply = decodeDhcpPacket(bytes);
      if (reply.op !== BOOTREPLY || reply.xid !== wanted) return;
      if (macFromBytes(reply.chaddr) !== mac) return;
      const serverAddress = readIpv4(reply.options, OPTION.serverIdentifier);
      answer.resolve({
        type: messageTypeOf(reply) ?? 'none',
        address: formatIpv4(reply.yiaddr),
        ciaddr: formatIpv4(reply.ciaddr),
        server: serverAddress === undefined ? '' : formatIpv4(serverAddress),
        file: reply.file,
        heardOn,
      });
    };
    socket.on('message', listener);
    return () => socket.off('message', listener);
  });
  const from = giaddr !== undefined ? 67 : port === 4011 ? 4011 : 68;
  const sender = sockets.find((one) => one.port === from)?.socket;
  sender?.send(encodeDhcpPacket({ ...request, xid: wanted }), port, to);
  const silence: Answer = { type: 'silence', address: '', ciaddr: '', server: '', file: '', heardOn: 0 };
  const result = await Promise.race([answer.promise, delay(PATIENCE, silence)]);
  for (const stop of listeners) stop();
  return result;
}

const answers: Answer[] = [];
for (const question of JSON.parse(process.argv[2] ?? '[]') as Question[]) answers.push(await ask(question));
console.log(JSON.stringify(answers));
for (const { socket } of sockets) socket.close();
