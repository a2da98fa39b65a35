import type { Ipv4 } from '../machine/ipv4.ts';
import type { BootSession } from '../machine/session.ts';
import type { Complain } from './complain.ts';
import type { HttpServerOptions, ServerPlace } from './port.ts';

/** A request as the routes see it: nothing of Fastify. */
export interface BootRequest {
  readonly method: string;
  /** Path and query as asked, with session tokens masked: fit for logs and events. */
  readonly asked: string;
  /** Undefined for a client without an IPv4 address. */
  readonly remote: Ipv4 | undefined;
  /** Where the machine reached us. */
  readonly server: ServerPlace;
  readonly via: string | undefined;
  /** The headers Range and If-Range. */
  readonly range: string | undefined;
  readonly ifRange: string | undefined;
}

/** A reply that fits in memory; always text, or its bytes, always with its length. */
export interface Answer {
  readonly status: number;
  readonly text: string | Buffer;
  readonly headers?: Readonly<Record<string, string>>;
  /** Called once, when its last byte was handed to the network (true) or the connection is gone before. */
  readonly delivered?: (whole: boolean) => void;
}

export interface RouteDeps extends Omit<HttpServerOptions, 'logger'> {
  readonly complain: Complain;
}

/** One line that says what is wrong and what to do. */
export function refuse(status: number, line: string, headers?: Readonly<Record<string, string>>): Answer {
  return { status, text: `${line}\n`, ...(headers === undefined ? {} : { headers }) };
}

/** What an observation says of where it came from. */
export function originOf(deps: RouteDeps, request: BootRequest) {
  return {
    at: deps.clock(),
    asked: request.asked,
    ...(request.via === undefined ? {} : { via: request.via }),
  };
}

/** The same of what was asked at a session's URL: by the time of its answer the machine may have another session. */
export function originIn(deps: RouteDeps, request: BootRequest, { id, mac }: BootSession) {
  return { ...originOf(deps, request), mac, sessionId: id };
}
