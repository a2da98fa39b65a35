import type { RemoteInfo } from 'node:dgram';
import { type ErrorCode, toTinderboxError } from '../errors.ts';
import { formatIpv4, type Ipv4, parseIpv4 } from '../machine/ipv4.ts';
import { type Mac, macFromBytes } from '../machine/mac.ts';
import type { DatagramSocket, OpenUdpSocket } from '../net/port.ts';

/** A reply as it came from the wire, not decoded: the machine that it is for does that. */
export interface ReceivedReply {
  readonly bytes: Uint8Array;
  readonly from: Ipv4;
  readonly fromPort: number;
  /** The local port it came to: 68, or 4011 where firmware listens there. */
  readonly toPort: number;
}

/**
 * What many virtual machines share on one interface: one device-bound socket on port 68, and one on 4011 as soon as
 * a firmware asks from there. Replies are broadcast, so they are told apart by transaction and hardware address.
 */
export interface ClientPort {
  readonly device: string;
  /** One listener a transaction and hardware address; a second replaces the first. The returned function stops it. */
  subscribe(xid: number, mac: Mac, listener: (reply: ReceivedReply) => void): () => void;
  /** From port 68. Throws TinderboxError `unavailable` where there is no way to the address. */
  send(bytes: Uint8Array, address: Ipv4, port: number): Promise<void>;
  /**
   * From port 4011, as EDK2 asks a proxy; from 68, as iPXE does, where another program of this host holds 4011 (the
   * daemon itself). Returns the port it was sent from.
   */
  sendPxe(bytes: Uint8Array, address: Ipv4, port: number): Promise<number>;
  /** Datagrams that no machine of this port was waiting for: other people's clients. */
  strangers(): number;
  /** Replies for which this host had no room. A machine of its own would have had it. */
  dropped(): number;
  close(): Promise<void>;
}

const XID_OFFSET = 4;
const CHADDR_OFFSET = 28;
const SHORTEST = 240;
/** Bytes: the answers to ten thousand machines that ask in the same instant, three times. Used only where they come. */
const RECEIVE_BUFFER = 64 * 1024 * 1024;

export interface ClientPortOptions {
  /** For tests on loopback; firmware knows only 68 and 4011. */
  readonly ports?: { readonly client: number; readonly pxe: number };
  /** For many machines: a socket that receives and sends many at a time. */
  readonly inBatches?: (socket: DatagramSocket) => DatagramSocket;
}

export async function createClientPort(
  openSocket: OpenUdpSocket,
  device: string | undefined,
  {
    ports = { client: 68, pxe: 4011 },
    inBatches = (socket: DatagramSocket) => socket,
  }: ClientPortOptions = {},
): Promise<ClientPort> {
  const listeners = new Map<string, (reply: ReceivedReply) => void>();
  const opened: DatagramSocket[] = [];
  let strangers = 0;

  const receive = (bytes: Uint8Array, remote: RemoteInfo, toPort: number): void => {
    const from = parseIpv4(remote.address);
    if (bytes.length < SHORTEST || from === undefined) return;
    const xid = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(XID_OFFSET);
    const mac = macFromBytes(bytes.subarray(CHADDR_OFFSET, CHADDR_OFFSET + 6));
    const listener = listeners.get(keyOf(xid, mac));
    if (listener === undefined) strangers++;
    else listener({ bytes, from, fromPort: remote.port, toPort });
  };

  const open = async (port: number): Promise<OwnSocket> => {
    const bound = { port, broadcast: true, receiveBuffer: RECEIVE_BUFFER };
    const alone = await openSocket(device === undefined ? bound : { ...bound, device });
    const local = alone.address().port;
    const socket = inBatches(alone);
    opened.push(socket);
    socket.on('message', (bytes, remote) => receive(bytes, remote, local));
    // ICMP errors of a server that went away; the time-outs of the machines say it better.
    socket.on('error', () => undefined);
    return { socket, local };
  };

  const clientSocket = await open(ports.client);
  let pxeSocket: Promise<OwnSocket> | undefined;
  const openPxe = async (): Promise<OwnSocket> => {
    try {
      return await open(ports.pxe);
    } catch (thrown) {
      const error = toTinderboxError(thrown);
      const taken: readonly ErrorCode[] = ['in-use', 'refused'];
      if (taken.includes(error.code)) return clientSocket;
      throw error;
    }
  };

  return {
    device: device ?? 'any interface',
    subscribe(xid, mac, listener) {
      const key = keyOf(xid, mac);
      listeners.set(key, listener);
      return () => {
        if (listeners.get(key) === listener) listeners.delete(key);
      };
    },
    send: (bytes, address, port) => sendFrom(clientSocket, bytes, address, port),
    async sendPxe(bytes, address, port) {
      pxeSocket ??= openPxe();
      const own = await pxeSocket;
      await sendFrom(own, bytes, address, port);
      return own.local;
    },
    strangers: () => strangers,
    dropped: () => opened.reduce((sum, socket) => sum + (socket.dropped?.() ?? 0), 0),
    async close() {
      listeners.clear();
      await pxeSocket;
      await Promise.all(opened.map((socket) => new Promise<void>((done) => socket.close(() => done()))));
    },
  };
}

function keyOf(xid: number, mac: Mac): string {
  return `${xid}/${mac}`;
}

interface OwnSocket {
  readonly socket: DatagramSocket;
  readonly local: number;
}

function sendFrom({ socket }: OwnSocket, bytes: Uint8Array, address: Ipv4, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(bytes, port, formatIpv4(address), (error) => {
      if (error === null) resolve();
      else reject(toTinderboxError(error));
    });
  });
}
