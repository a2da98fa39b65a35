import type { ServerResponse } from 'node:http';
import { TinderboxError } from '../errors.ts';
import type { BootEvent } from '../machine/event.ts';
import type { Mac } from '../machine/mac.ts';

/** Live events as `text/event-stream`, one JSON object a message. */
export interface EventStreams {
  /** Sends every event (of one machine, if given) until the reader goes away. Throws `busy` above the limit. */
  open(response: ServerResponse, mac: Mac | undefined): void;
  closeAll(): void;
}

const STREAM_LIMIT = 64;
/** A reader that is so far behind is dropped: nothing it does may hold memory here. */
const BACKLOG_BYTES = 1024 * 1024;
/** Shows a dead reader, and keeps proxies from closing a quiet stream. */
const HEARTBEAT_MS = 15_000;

export function createEventStreams(
  subscribe: (listener: (event: BootEvent) => void) => () => void,
): EventStreams {
  const open = new Set<ServerResponse>();
  return {
    open(response, mac) {
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
      // Tells the reader that from here on it misses nothing.
      send(': following\n\n');
      const unsubscribe = subscribe((event) => {
        if (mac === undefined || event.mac === mac) send(`data: ${JSON.stringify(event)}\n\n`);
      });
      const heartbeat = setInterval(() => send(':\n\n'), HEARTBEAT_MS);
      open.add(response);
      response.on('error', () => undefined);
      response.once('close', () => {
        clearInterval(heartbeat);
        unsubscribe();
        open.delete(response);
      });
    },
    closeAll() {
      for (const response of open) response.end();
    },
  };
}
