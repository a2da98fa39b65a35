import type { ServerResponse } from 'node:http';
import t from 'tap';
import type { EventStreams } from '../../../src/admin/event-stream.ts';
import { createFleetFeed, type FleetFeedOptions } from '../../../src/admin/page/fleet-feed.ts';
import type { BootEvent } from '../../../src/machine/event.ts';
import { TRACE_MAC as MAC } from '../../support/trace-events.ts';
import { until } from '../../support/until.ts';

t.test('what is heard while the rows are being read is told, too', async (t) => {
  const sent: string[] = [];
  const heard: { listener?: (event: BootEvent) => void } = {};
  let count = 0;
  let reading = Promise.withResolvers<void>();
  const summary = Promise.withResolvers<void>();
  const streams = {
    openWith: (
      _response: ServerResponse,
      _first: string,
      listen: (send: (text: string) => void) => () => void,
    ) => t.teardown(listen((text) => sent.push(text))),
  } as unknown as EventStreams;
  const feed = createFleetFeed({
    streams,
    store: { findMachine: async () => undefined } as unknown as FleetFeedOptions['store'],
    journal: {
      flush: async () => undefined,
      subscribe(listener: (event: BootEvent) => void) {
        heard.listener = listener;
        return () => undefined;
      },
    } as unknown as FleetFeedOptions['journal'],
    renderRows: async () => [],
    async renderSummary() {
      const text = `<b>${count}</b>`;
      reading.resolve();
      if (count > 0) await summary.promise;
      return text;
    },
    clock: () => 0,
    onError: (error) => t.fail(String(error)),
    every: 1,
  });
  feed.follow({} as ServerResponse, { rows: new Set(), open: false, since: 0 });
  await until(() => sent.join('').includes('<b>0</b>'));
  const event = { kind: 'session.ended', mac: MAC } as BootEvent;
  count = 1;
  reading = Promise.withResolvers<void>();
  heard.listener?.(event);
  await reading.promise;
  count = 2;
  heard.listener?.(event);
  summary.resolve();
  await until(() => sent.join('').includes('<b>2</b>'));
  t.pass('the newest count came');
});
