import type { ServerResponse } from 'node:http';
import { TinderboxError } from '../errors.ts';
import type { BootEvent } from '../machine/event.ts';
import type { Mac } from '../machine/mac.ts';

/** Live events as `text/event-stream`. Each of them throws `busy` above the limit on readers. */
export interface EventStreams {
  /** Sends every event (of one machine, if given), one JSON object a message, until the reader goes away. */
  open(response: ServerResponse, mac: Mac | undefined): void;
  /**
   * For pages: says `event: changed` at once, since whoever lost a stream has missed something, and when there is
   * something new (of one machine, if given), at most every 300 ms. What it is they ask for.
   */
  openChanges(response: ServerResponse, mac: Mac | undefined): void;
  /** Says `first`, then what `listen` sends, until the reader goes away; then what `listen` returned is called. */
  openWith(
    response: ServerResponse,
    first: string,
    listen: (send: (text: string) => void) => () => void,
  ): void;
  closeAll(): void;
}

const STREAM_LIMIT = 64;
/** A reader that is so far behind is dropped: nothing it does may hold memory here. */
const BACKLOG_BYTES = 1024 * 1024;
/** Shows a dead reader, and keeps proxies from closing a quiet stream. */
const HEARTBEAT_MS = 15_000;
/** A boot writes events in bursts: a page is drawn once for each. */
const CHANGE_PAUSE_MS = 300;

const CHANGED = 'event: changed\ndata: 1\n\n';

export function createEventStreams(
  subscribe: (listener: (event: BootEvent) => void) => () => void,
): EventStreams {
  const open = new Set<ServerResponse>();

  function start(
    response: ServerResponse,
    first: string,
    listen: (send: (text: string) => void) => () => void,
  ) {
    if (open.size >= STREAM_LIMIT) {
      throw new TinderboxError('busy', `${STREAM_LIMIT} readers follow the events already`, {
        remedy: 'stop one of them',
      });
    }
    const send = (text: string): void => {
      if (response.writableLength > BACKLOG_BYTES) response.destroy();
      else response.write(text);
    };
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    send(first);
    const stop = listen(send);
    const heartbeat = setInterval(() => send(':\n\n'), HEARTBEAT_MS);
    open.add(response);
    response.on('error', () => undefined);
    response.once('close', () => {
      clearInterval(heartbeat);
      stop();
      open.delete(response);
    });
  }

  return {
    open(response, mac) {
      // Tells the reader that from here on it misses nothing.
      start(response, ': following\n\n', (send) =>
        subscribe((event) => {
          if (mac === undefined || event.mac === mac) send(`data: ${JSON.stringify(event)}\n\n`);
        }),
      );
    },
    openChanges(response, mac) {
      start(response, CHANGED, (send) => {
        let timer: NodeJS.Timeout | undefined;
        const unsubscribe = subscribe((event) => {
          if (mac !== undefined && event.mac !== mac) return;
          timer ??= setTimeout(() => {
            timer = undefined;
            send(CHANGED);
          }, CHANGE_PAUSE_MS);
        });
        return () => {
          clearTimeout(timer);
          unsubscribe();
        };
      });
    },
    openWith: start,
    closeAll() {
      for (const response of open) response.end();
    },
  };
}
