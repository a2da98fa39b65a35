import type { RemoteInfo } from 'node:dgram';
import type { DhcpAction, LeaseChange } from '../boot/dhcp-action.ts';
import { encodeDhcpReply } from '../boot/encode-dhcp-reply.ts';
import { identifyClient, type NetworkClient } from '../boot/identify-client.ts';
import { toTinderboxError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { EventKind } from '../machine/event.ts';
import type { MachineFacts } from '../machine/facts.ts';
import { formatIpv4, type Ipv4, UNSPECIFIED } from '../machine/ipv4.ts';
import type { Stage } from '../machine/stage.ts';
import type { DatagramSocket, SendFailed } from '../net/port.ts';
import { DhcpDecodeError } from '../protocol/dhcp/dhcp-decode-error.ts';
import { type MessageType, messageTypeOf } from '../protocol/dhcp/option-codes.ts';
import { describePacket } from '../protocol/dhcp/option-dictionary.ts';
import { BOOTREQUEST, type DhcpPacket, decodeDhcpPacket } from '../protocol/dhcp/packet.ts';
import type { Journal, Observation } from '../store/port.ts';
import type { DatagramEnd, PacketRecorder } from './port.ts';
import { createDhcpTap } from './record-dhcp.ts';
import { sayRarely } from './say-rarely.ts';
import { watchDropped } from './watch-dropped.ts';

/** What the servers of ports 67 and 4011 have in common; they differ in the decision and in where a reply goes. */
export interface DhcpLoopOptions {
  readonly socket: DatagramSocket;
  /** The interface's name. */
  readonly via: string;
  /** Of the interface, as it is now: what replies call the server unless the decision says otherwise. */
  readonly serverAddress: () => Ipv4;
  readonly plane: 'dhcp' | 'pxe';
  /** The port that the socket is bound to. */
  readonly port: number;
  readonly decide: (
    packet: DhcpPacket,
    client: NetworkClient,
    now: number,
  ) => Promise<DhcpAction> | DhcpAction;
  /**
   * Carries out a lease change; when it resolves, a binding is on disk, unless it says otherwise. What needs no disk is
   * carried out before it returns undefined: the next packet is decided at once. Throws, or rejects.
   */
  readonly changeLease: (
    client: NetworkClient,
    change: LeaseChange,
    now: number,
  ) => Promise<UnwrittenChange | undefined> | undefined;
  readonly destination: (request: DhcpPacket, answered: MessageType, source: RemoteInfo) => DatagramEnd;
  /** Sees each request first; `ignore`: this host's own, and nothing comes of it. */
  readonly overhear?: (packet: DhcpPacket) => 'ignore' | undefined;
  readonly journal: Pick<Journal, 'record' | 'count' | 'learnAddress'>;
  readonly recorder?: PacketRecorder | undefined;
  readonly logger: Logger;
  readonly now: () => number;
  /** Milliseconds that never go back; for tests. */
  readonly uptime?: () => number;
}

/** A binding that could not be written, and for how many seconds the address may be confirmed all the same. */
export interface UnwrittenChange {
  readonly unwritten: unknown;
  readonly seconds: number;
}

export interface DhcpLoop {
  /** Stops answering, lets what is being committed finish, closes the socket. */
  stop(): Promise<void>;
}

/** Replies waiting for their lease to reach the disk; beyond that packets are dropped: clients ask again. */
const MAX_IN_FLIGHT = 4096;

/** Milliseconds between two lines of the log: an interface that is down fails each packet. */
const ERROR_PAUSE = 1000;
/** The same for what the operator has to mend: machines ask again and again meanwhile. */
const TROUBLE_PAUSE = 60_000;

/** A packet of a client, and where and when it came. */
interface Asked {
  readonly packet: DhcpPacket;
  readonly client: NetworkClient;
  readonly source: RemoteInfo;
  readonly now: number;
}

/** receive → decode → identify → decide → record → encode → send. */
export function runDhcpLoop(options: DhcpLoopOptions): DhcpLoop {
  const { socket, plane, via, journal, logger } = options;
  const tap = createDhcpTap(options);
  const unsent = { offer: sayUnsent('offer'), ack: sayUnsent('ack'), nak: sayUnsent('nak') } as const;
  let inFlight = 0;
  let landed: (() => void) | undefined;
  const errorTurn = sayRarely(ERROR_PAUSE, options.uptime);
  const troubleTurn = sayRarely(TROUBLE_PAUSE, options.uptime);

  function receive(bytes: Uint8Array, source: RemoteInfo): void {
    if (inFlight >= MAX_IN_FLIGHT) return journal.count(`${plane}.dropped.busy`);
    const packet = decode(bytes);
    if (packet !== undefined && options.overhear?.(packet) === 'ignore')
      return journal.count(`${plane}.dropped.own-probe`);
    tap.received(bytes, source);
    if (packet === undefined) return;
    try {
      answer(packet, source);
    } catch (error) {
      sayUnanswered(error);
    }
  }

  /** Most packets need no promise, and a rack that powers on sends many. */
  function follow<T>(promise: Promise<T>, then: (value: T) => void, otherwise = sayUnanswered): void {
    inFlight++;
    const land = <V>(take: (value: V) => void, value: V): void => {
      try {
        take(value);
      } catch (error) {
        sayUnanswered(error);
      }
      inFlight--;
      if (inFlight === 0) landed?.();
    };
    // Not `finally`, which makes three promises more.
    promise.then(
      (value) => land(then, value),
      (error: unknown) => land(otherwise, error),
    );
  }

  function sayUnanswered(error: unknown): void {
    sayError('a packet could not be answered', error);
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

  function answer(packet: DhcpPacket, source: RemoteInfo): void {
    const now = options.now();
    const identified = identifyClient(packet);
    if (identified.client === undefined) {
      journal.count(`${plane}.dropped.hardware-address`);
      return sayTrouble('a client is not supported', { reason: identified.refused });
    }
    const asked = { packet, client: identified.client, source, now };
    const decided = options.decide(packet, identified.client, now);
    if (decided instanceof Promise) follow(decided, (action) => carryOut(asked, action));
    else carryOut(asked, decided);
  }

  function carryOut(asked: Asked, action: DhcpAction): void {
    const { client, now } = asked;
    if (action.trouble !== undefined) {
      journal.count(`${plane}.${action.trouble.counter}`);
      sayTrouble(action.trouble.text, { mac: client.mac, reasons: action.reasons });
    }
    if (action.lease === undefined) return finish(asked, action);
    const refuse = (error: unknown): void => record(asked, withoutLease(client, action, error));
    let changing: ReturnType<DhcpLoopOptions['changeLease']>;
    try {
      changing = options.changeLease(client, action.lease, now);
    } catch (error) {
      return refuse(error);
    }
    if (changing === undefined) return finish(asked, action);
    follow(
      changing,
      (unwritten) => finish(asked, unwritten === undefined ? action : confirmed(action, unwritten)),
      refuse,
    );
  }

  function finish(asked: Asked, action: DhcpAction): void {
    if (action.kind === 'reply') send(asked, action);
    learn(asked.client, action);
    record(asked, action);
  }

  function confirmed(action: DhcpAction, { unwritten, seconds }: UnwrittenChange): DhcpAction {
    sayError('a lease could not be written', unwritten);
    const { message } = toTinderboxError(unwritten);
    const reasons = [
      ...action.reasons,
      `confirmed for ${seconds} s only, since it cannot be written: ${message}`,
    ];
    if (action.kind === 'silent' || action.address === undefined) return { ...action, reasons };
    const { address } = action;
    return { ...action, reasons, address: { ...address, subnet: { ...address.subnet, leaseTime: seconds } } };
  }

  /** Somebody else was faster, or the disk failed: silence, the client asks again. */
  function withoutLease(client: NetworkClient, action: DhcpAction, error: unknown): DhcpAction {
    const { code, message } = toTinderboxError(error);
    const reasons = [...action.reasons, `not answered: ${message}`];
    if (code !== 'in-use') {
      sayError('a lease could not be written', error);
      return { kind: 'silent', outcome: 'failed', reasons };
    }
    journal.count(`${plane}.lease-races`);
    logger.debug({ mac: client.mac, interface: via, reason: message }, 'an address was taken meanwhile');
    return { kind: 'silent', outcome: 'refused', reasons };
  }

  function send({ packet, source }: Asked, action: Extract<DhcpAction, { kind: 'reply' }>): void {
    const { type, address, boot, message, serverAddress = options.serverAddress() } = action;
    const reply = encodeDhcpReply({ request: packet, type, serverAddress, address, boot, message });
    const to = options.destination(packet, type, source);
    tap.sent(reply, serverAddress, to);
    if (socket.put !== undefined) return socket.put(reply, to.port, to.address, unsent[type]);
    socket.send(reply, to.port, formatIpv4(to.address), (error) => {
      if (error) unsent[type](error, to.address, to.port);
    });
  }

  function sayUnsent(type: 'offer' | 'ack' | 'nak'): SendFailed {
    return (error, address, port) =>
      sayError(`${type} to ${formatIpv4(address)}:${port} could not be sent`, error);
  }

  function learn(client: NetworkClient, action: DhcpAction): void {
    if (action.kind === 'silent' && action.uses !== undefined) journal.learnAddress(action.uses, client.mac);
    if (action.lease?.kind === 'bind') journal.learnAddress(action.lease.address, client.mac);
  }

  function record({ packet, client, now }: Asked, action: DhcpAction): void {
    const type = messageTypeOf(packet);
    const stage = stageOf(client, action);
    const observation: { -readonly [Key in keyof Observation]: Observation[Key] } = {
      at: now,
      kind: eventKind(plane, type),
      outcome: action.kind === 'silent' ? action.outcome : action.type === 'nak' ? 'refused' : 'answered',
      asked: () => describePacket(packet),
      answered: action.kind === 'silent' ? '' : () => describeReply(action),
      reasons: action.reasons,
      via,
      mac: client.mac,
      facts: factsOf(packet, client),
    };
    if (client.kind !== 'ordinary') observation.client = client.kind;
    if (stage !== undefined) observation.stage = stage;
    journal.record(observation);
  }

  function sayError(what: string, error: unknown): void {
    journal.count(`${plane}.errors`);
    // One cause for all: whatever fails, the disk or the network, fails each packet.
    if (errorTurn('error') !== undefined) logger.error({ err: error, interface: via }, what);
  }

  function sayTrouble(what: string, details: Readonly<Record<string, unknown>>): void {
    const turn = troubleTurn(what);
    if (turn === undefined) return;
    logger.warn({ ...details, interface: via, ...(turn.held > 0 && { held: turn.held }) }, what);
  }

  const droppedWatch = watchDropped(options);
  socket.on('message', receive);
  socket.on('error', (error) => sayError('the socket failed', error));
  return {
    async stop() {
      socket.off('message', receive);
      droppedWatch[Symbol.dispose]();
      if (inFlight > 0) await new Promise<void>((resolve) => (landed = resolve));
      await new Promise<void>((resolve) => socket.close(resolve));
    },
  };
}

function stageOf(client: NetworkClient, action: DhcpAction): Stage | undefined {
  if (client.kind === 'ordinary') return undefined;
  return action.kind === 'reply' && action.boot !== undefined ? 'offered' : 'discovered';
}

function eventKind(plane: DhcpLoopOptions['plane'], type: MessageType | undefined): EventKind {
  return KINDS[plane][type ?? 'none'] ?? OTHER[plane];
}

/** The very strings each time: they are found sooner in the tables of those who count. */
const KINDS: Readonly<
  Record<DhcpLoopOptions['plane'], Readonly<Partial<Record<MessageType | 'none', EventKind>>>>
> = {
  dhcp: {
    discover: 'dhcp.discover',
    request: 'dhcp.request',
    decline: 'dhcp.decline',
    release: 'dhcp.release',
    inform: 'dhcp.inform',
  },
  pxe: { discover: 'pxe.discover', request: 'pxe.request' },
};
const OTHER = { dhcp: 'dhcp.other', pxe: 'pxe.other' } as const;

function factsOf(packet: DhcpPacket, client: NetworkClient): MachineFacts {
  const { mac, uuid, architecture } = client;
  const facts: { -readonly [Key in keyof MachineFacts]: MachineFacts[Key] } = { mac };
  if (uuid !== undefined) facts.uuid = uuid;
  if (architecture !== undefined) facts.arch = architecture.arch;
  if (packet.giaddr !== UNSPECIFIED) facts.relay = packet.giaddr;
  return facts;
}

/** `OFFER, 10.77.0.100, boot undionly.kpxe`. */
export function describeReply({ type, address, boot }: Extract<DhcpAction, { kind: 'reply' }>): string {
  const none = address === undefined || address.address === UNSPECIFIED;
  const text = `${type.toUpperCase()}${none ? '' : `, ${formatIpv4(address.address)}`}`;
  return boot === undefined ? text : `${text}, boot ${boot.bootfile}`;
}
