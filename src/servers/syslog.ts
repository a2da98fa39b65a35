import type { RemoteInfo } from 'node:dgram';
import { ipxeErrorReasons } from '../boot/ipxe-errors.ts';
import { maskSessionTokens } from '../boot/session-token.ts';
import type { Logger } from '../logger.ts';
import { parseIpv4, UNSPECIFIED } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type { DatagramSocket } from '../net/port.ts';
import { decodeSyslog, type SyslogLine } from '../protocol/syslog/message.ts';
import { isUrgent } from '../protocol/syslog/priority.ts';
import type { Journal } from '../store/port.ts';
import type { ConsoleMemory } from './console-memory.ts';
import type { DatagramEnd, PacketRecorder } from './port.ts';
import { sayRarely } from './say-rarely.ts';

export interface SyslogOptions {
  readonly socket: DatagramSocket;
  /** The interface's name. */
  readonly via: string;
  readonly journal: Pick<Journal, 'record' | 'count' | 'macAt' | 'addressUser'>;
  readonly memory: Pick<ConsoleMemory, 'add'>;
  /** Absent: its packets are in no capture. `server`: where lines are sent to. */
  readonly capture?: { readonly recorder: PacketRecorder; readonly server: () => DatagramEnd };
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Milliseconds that never go back; for tests. */
  readonly uptime?: () => number;
}

export interface SyslogServer {
  stop(): Promise<void>;
}

/** Characters of a line that are kept. */
const TEXT_LENGTH = 1024;
/** Milliseconds between two lines of the log. */
const ERROR_PAUSE = 60_000;

/**
 * receive → decode → identify → record; nothing is ever sent. Whose line it is its source address tells, which anybody
 * on the network can forge: lines are shown, and decide nothing.
 */
export function startSyslogServer(options: SyslogOptions): SyslogServer {
  const { socket, via, journal, memory, logger } = options;
  const errorTurn = sayRarely(ERROR_PAUSE, options.uptime);

  function receive(bytes: Uint8Array, source: RemoteInfo): void {
    const lines = decodeSyslog(bytes);
    if (lines.length === 0) return journal.count('syslog.dropped.empty');
    const mac = identify(source);
    capture(bytes, source, mac);
    for (const line of lines) {
      if (mac === undefined) recordStranger(line, source);
      else recordLine(mac, line);
    }
  }

  function capture(payload: Uint8Array, { address, port }: RemoteInfo, mac: Mac | undefined): void {
    const from = { address: parseIpv4(address) ?? UNSPECIFIED, port };
    options.capture?.recorder.record({
      plane: 'syslog',
      direction: 'received',
      via,
      ...(mac === undefined ? {} : { mac }),
      from,
      to: options.capture.server(),
      payload,
    });
  }

  /** The newest that is known of the address comes first: another machine may have had it before. */
  function identify({ address }: RemoteInfo): Mac | undefined {
    const ipv4 = parseIpv4(address);
    return ipv4 === undefined ? undefined : (journal.macAt(ipv4) ?? journal.addressUser(ipv4));
  }

  function recordLine(mac: Mac, received: SyslogLine): void {
    journal.count('syslog.line');
    const at = options.now();
    const line = fit(received);
    const reasons = ipxeErrorReasons(line.text);
    memory.add(mac, at, line, reasons);
    journal.record({
      at,
      kind: 'syslog.line',
      outcome: 'noted',
      asked: describeLine(line),
      answered: '',
      reasons,
      via,
      mac,
      urgent: reasons.length > 0 || isUrgent(line.severity),
    });
  }

  function recordStranger(received: SyslogLine, { address }: RemoteInfo): void {
    journal.count('syslog.unknown-sender');
    journal.record({
      at: options.now(),
      kind: 'syslog.line',
      outcome: 'ignored',
      asked: `${address}: ${describeLine(fit(received))}`,
      answered: '',
      reasons: ['no machine is known at this address'],
      via,
    });
  }

  const onError = (error: Error): void => {
    journal.count('syslog.errors');
    if (errorTurn('error') !== undefined)
      logger.warn({ err: error, interface: via }, 'the syslog socket failed');
  };
  socket.on('message', receive);
  socket.on('error', onError);
  return {
    async stop() {
      socket.off('message', receive);
      await new Promise<void>((resolve) => void socket.close(resolve));
    },
  };
}

/** As a timeline shows it: `ipxe: text`, and how bad it is where it is bad. */
function describeLine({ program, severity, text }: SyslogLine): string {
  const bad = isUrgent(severity) ? ` (${severity})` : '';
  return `${program ?? 'syslog'}${bad}: ${text}`;
}

/** A kernel prints its command line, and that has the session's URL. Masked before it is cut: half a token would not be known as one. */
function fit(line: SyslogLine): SyslogLine {
  const text = maskSessionTokens(line.text);
  // A copy of its own: a piece of a datagram would keep all of it in memory.
  const kept = text.length <= TEXT_LENGTH ? text : `${text.slice(0, TEXT_LENGTH - 1).toWellFormed()}…`;
  // Whoever prints a URL alone has it taken for a program's name.
  const program = line.program === undefined ? {} : { program: maskSessionTokens(line.program) };
  return { ...line, ...program, text: Buffer.from(kept).toString() };
}
