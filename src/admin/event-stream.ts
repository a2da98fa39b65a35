import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { TinderboxError } from '../errors.ts';
import type { BootEvent } from '../machine/event.ts';
import type { Mac } from '../machine/mac.ts';

/** Live events as `text/event-stream`. Each of them throws `busy` above the limit on readers. */
export interface EventStreams {
  /**
   * Sends every event (of one machine, if given), one JSON object a message, until the reader goes away. To whoever
   * comes back with the ID of the last one that they got, first what they missed, or `event: missed` where that is not
   * remembered any more, or is of another daemon.
   */
  open(response: ServerResponse, mac: Mac | undefined, lastEventId?: string): void;
  /**
   * For pages: says `event: changed` at once, since whoever lost a stream has missed something, and when there is
   * something new (of one machine, if given), at most every 300 ms. What it is they ask for.
   */
  openChanges(response: ServerResponse, mac: Mac | undefined, lastLine?: () => number): void;
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
/** Events that are remembered for readers who lost their stream for a moment. */
const REMEMBERED = 512;
/** What a browser waits before it comes back. In ms. */
const RETRY_MS = 2_000;
/** Seconds. */
const BUSY_FOR = 10;
/** A boot writes events in bursts: a page is drawn once for each. */
const CHANGE_PAUSE_MS = 300;
/** Between two looks at a machine's console: it may print on when its events have no room left. */
const LINE_PAUSE_MS = 2_000;

const CHANGED = 'event: changed\ndata: 1\n\n';
const MISSED = 'event: missed\ndata: {}\n\n';

export function createEventStreams(
  subscribe: (listener: (event: BootEvent) => void) => () => void,
  random: (bytes: number) => Buffer = randomBytes,
): EventStreams {
  const open = new Set<ServerResponse>();
  /** Tells this daemon's IDs from those of the one before. */
  const era = random(6).toString('hex');
  let count = 0;
  let recent: { readonly number: number; readonly event: BootEvent; readonly text: string }[] = [];
  const readers = new Set<(event: BootEvent, text: string) => void>();
  const forgetJournal = subscribe((event) => {
    count++;
    const text = `id: ${era}-${count}\ndata: ${JSON.stringify(event)}\n\n`;
    recent.push({ number: count, event, text });
    if (recent.length >= 2 * REMEMBERED) recent = recent.slice(-REMEMBERED);
    for (const reader of readers) reader(event, text);
  });

  /** Undefined: some of it is forgotten. */
  function since(lastEventId: string): readonly (typeof recent)[number][] | undefined {
    const [, of, digits] = /^([0-9a-f]+)-(\d{1,15})$/.exec(lastEventId) ?? [];
    const last = Number(digits);
    if (of !== era || last > count) return undefined;
    if (last < count - REMEMBERED) return undefined;
    return recent.filter(({ number }) => number > last);
  }

  function start(
    response: ServerResponse,
    first: string,
    listen: (send: (text: string) => void) => () => void,
  ) {
    if (open.size >= STREAM_LIMIT) {
      throw new TinderboxError('busy', `${STREAM_LIMIT} readers follow the events already`, {
        remedy: 'stop one of them',
        retryAfter: BUSY_FOR,
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
    open(response, mac, lastEventId) {
      const isWanted = (event: BootEvent): boolean => mac === undefined || event.mac === mac;
      const missed = lastEventId === undefined ? [] : since(lastEventId);
      const replay = missed?.filter(({ event }) => isWanted(event)).map(({ text }) => text) ?? [MISSED];
      // The comment tells the reader that from here on it misses nothing; the ID is where it stands, should it come back.
      const first = `retry: ${RETRY_MS}\nid: ${era}-${count}\n: following\n\n`;
      start(response, `${replay.join('')}${first}`, (send) => {
        const reader = (event: BootEvent, text: string): void => {
          if (isWanted(event)) send(text);
        };
        readers.add(reader);
        return () => void readers.delete(reader);
      });
    },
    openChanges(response, mac, lastLine) {
      start(response, CHANGED, (send) => {
        let timer: NodeJS.Timeout | undefined;
        const unsubscribe = subscribe((event) => {
          if (mac !== undefined && event.mac !== mac) return;
          timer ??= setTimeout(() => {
            timer = undefined;
            send(CHANGED);
          }, CHANGE_PAUSE_MS);
        });
        let told = lastLine?.();
        const look = (): void => {
          const last = lastLine?.();
          if (last !== told && timer === undefined) send(CHANGED);
          told = last;
        };
        const looking = lastLine === undefined ? undefined : setInterval(look, LINE_PAUSE_MS);
        return () => {
          clearInterval(looking);
          clearTimeout(timer);
          unsubscribe();
        };
      });
    },
    openWith: start,
    closeAll() {
      forgetJournal();
      for (const response of open) response.end();
    },
  };
}
