import type { RemoteInfo } from 'node:dgram';
import { buildDhcpReply } from '../boot/build-dhcp-reply.ts';
import type { DhcpAction, LeaseChange } from '../boot/dhcp-action.ts';
import { identifyClient, type NetworkClient } from '../boot/identify-client.ts';
import { toTinderboxError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EventKind } from '../machine/event.ts';
import type { MachineFacts } from '../machine/facts.ts';
import { formatIpv4, type Ipv4, UNSPECIFIED } from '../machine/ipv4.ts';
import type { Stage } from '../machine/stage.ts';
import type { DatagramSocket } from '../net/port.ts';
import { DhcpDecodeError } from '../protocol/dhcp/dhcp-decode-error.ts';
import { type MessageType, messageTypeOf } from '../protocol/dhcp/option-codes.ts';
import { describePacket } from '../protocol/dhcp/option-dictionary.ts';
import { BOOTREQUEST, type DhcpPacket, decodeDhcpPacket, encodeDhcpPacket } from '../protocol/dhcp/packet.ts';
import type { Journal, Observation } from '../store/port.ts';

/** What the servers of ports 67 and 4011 have in common; they differ in the decision and in where a reply goes. */
export interface DhcpLoopOptions {
  readonly socket: DatagramSocket;
  /** The interface's name. */
  readonly via: string;
  /** Of the interface: what replies call the server. */
  readonly serverAddress: Ipv4;
  readonly plane: 'dhcp' | 'pxe';
  readonly decide: (
    packet: DhcpPacket,
    client: NetworkClient,
    now: number,
  ) => Promise<DhcpAction> | DhcpAction;
  /** Carries out a lease change; when it resolves, a binding is on disk. */
  readonly changeLease: (client: NetworkClient, change: LeaseChange, now: number) => Promise<void>;
  readonly destination: (request: DhcpPacket, answered: MessageType, source: RemoteInfo) => Destination;
  readonly journal: Pick<Journal, 'record' | 'count' | 'learnAddress'>;
  readonly logger: Logger;
  readonly now: () => number;
}

export interface Destination {
  readonly address: string;
  readonly port: number;
}

export interface DhcpLoop {
  /** Stops answering, lets what is being committed finish, closes the socket. */
  stop(): Promise<void>;
}

/** Replies waiting for their lease to reach the disk; beyond that packets are dropped: clients ask again. */
const MAX_IN_FLIGHT = 4096;

/** receive → decode → identify → decide → record → encode → send. */
export function runDhcpLoop(options: DhcpLoopOptions): DhcpLoop {
  const { socket, plane, via, journal, logger } = options;
  const inFlight = new Set<Promise<void>>();
  let lastError = 0;

  function receive(bytes: Uint8Array, source: RemoteInfo): void {
    if (inFlight.size >= MAX_IN_FLIGHT) return journal.count(`${plane}.dropped.busy`);
    const packet = decode(bytes);
    if (packet === undefined) return;
    const work = answer(packet, source).catch((error: unknown) =>
      sayError('a packet could not be answered', error),
    );
    inFlight.add(work);
    void work.finally(() => inFlight.delete(work));
  }

  function decode(bytes: Uint8Array): DhcpPacket | undefined {
    try {
      const packet = decodeDhcpPacket(bytes);
      if (packet.op === BOOTREQUEST) return packet;
      journal.count(`${plane}.dropped.not-a-request`);
    } catch (error) {
      if (!(error instanceof DhcpDecodeError)) throw error;
      journal.count(`${plane}.dropped.${error.reason}`);
    }
    return undefined;
  }

  async function answer(packet: DhcpPacket, source: RemoteInfo): Promise<void> {
    const now = options.now();
    const identified = identifyClient(packet);
    if (identified.client === undefined) return journal.count(`${plane}.dropped.hardware-address`);
    const { client } = identified;
    const action = await options.decide(packet, client, now);
    try {
      if (action.lease !== undefined) await options.changeLease(client, action.lease, now);
    } catch (error) {
      sayError('a lease could not be written', error);
      const why = [...action.reasons, `not answered: ${toTinderboxError(error).message}`];
      return record(packet, client, { kind: 'silent', outcome: 'failed', reasons: why }, now);
    }
    if (action.kind === 'reply') send(packet, action, source);
    learn(client, action);
    record(packet, client, action, now);
  }

  function send(
    packet: DhcpPacket,
    action: Extract<DhcpAction, { kind: 'reply' }>,
    source: RemoteInfo,
  ): void {
    const { type, address, boot, message } = action;
    const { serverAddress } = options;
    const reply = encodeDhcpPacket(
      buildDhcpReply({ request: packet, type, serverAddress, address, boot, message }),
    );
    const { address: host, port } = options.destination(packet, type, source);
    socket.send(reply, port, host, (error) => {
      if (error) sayError(`${type} to ${host}:${port} could not be sent`, error);
    });
  }

  function learn(client: NetworkClient, action: DhcpAction): void {
    if (action.kind === 'silent' && action.uses !== undefined) journal.learnAddress(action.uses, client.mac);
    if (action.lease?.kind === 'bind') journal.learnAddress(action.lease.address, client.mac);
  }

  function record(packet: DhcpPacket, client: NetworkClient, action: DhcpAction, at: number): void {
    const type = messageTypeOf(packet);
    const stage = stageOf(client, action);
    const observation: Observation = {
      at,
      kind: eventKind(plane, type),
      outcome: action.kind === 'silent' ? action.outcome : action.type === 'nak' ? 'refused' : 'answered',
      asked: describePacket(packet),
      answered: action.kind === 'silent' ? '' : describeReply(action),
      reasons: action.reasons,
      via,
      mac: client.mac,
      facts: factsOf(packet, client),
      ...(client.kind === 'ordinary' ? {} : { client: client.kind }),
      ...(stage === undefined ? {} : { stage }),
    };
    journal.record(observation);
  }

  function sayError(what: string, error: unknown): void {
    journal.count(`${plane}.errors`);
    // At most one line a second: an interface that is down fails each packet.
    if (options.now() - lastError < 1000) return;
    lastError = options.now();
    logger.error({ err: error, interface: via }, what);
  }

  socket.on('message', receive);
  socket.on('error', (error) => sayError('the socket failed', error));
  return {
    async stop() {
      socket.off('message', receive);
      await Promise.all(inFlight);
      await new Promise<void>((resolve) => socket.close(resolve));
    },
  };
}

function stageOf(client: NetworkClient, action: DhcpAction): Stage | undefined {
  if (client.kind === 'ordinary') return undefined;
  return action.kind === 'reply' && action.boot !== undefined ? 'offered' : 'discovered';
}

function eventKind(plane: DhcpLoopOptions['plane'], type: MessageType | undefined): EventKind {
  if (type === 'discover' || type === 'request') return `${plane}.${type}`;
  if (plane === 'dhcp' && (type === 'decline' || type === 'release' || type === 'inform'))
    return `dhcp.${type}`;
  return `${plane}.other`;
}

function factsOf(packet: DhcpPacket, client: NetworkClient): MachineFacts {
  const { mac, uuid, architecture } = client;
  return {
    mac,
    ...(uuid === undefined ? {} : { uuid }),
    ...(architecture === undefined ? {} : { arch: architecture.arch }),
    ...(packet.giaddr === UNSPECIFIED ? {} : { relay: packet.giaddr }),
  };
}

function describeReply({ type, address, boot }: Extract<DhcpAction, { kind: 'reply' }>): string {
  const parts: string[] = [type.toUpperCase()];
  if (address !== undefined && address.address !== UNSPECIFIED) parts.push(formatIpv4(address.address));
  if (boot !== undefined) parts.push(`boot ${boot.bootfile}`);
  return parts.join(', ');
}
