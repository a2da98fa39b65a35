import { EventEmitter } from 'node:events';
import t from 'tap';
import { createLoss, losePort, loseSocket } from '../../src/lab/lose-packets.ts';
import type { ClientPort } from '../../src/lab/virtual-client.ts';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import type { Mac } from '../../src/machine/mac.ts';

const MAC = '02:74:62:00:00:00' as Mac;
const TO = 1 as Ipv4;
const BYTES = Buffer.from('x');

/** Loses the first, passes the second, and so on. */
const createTurns = () => {
  let turn = 0;
  return createLoss(0.5, () => (turn++ % 2 === 0 ? 0.1 : 0.9));
};

t.test('a share of 0 loses nothing, and what is lost is counted', async (t) => {
  const none = createLoss(0, () => 0);
  t.equal(none.lose(), false);
  const half = createTurns();
  t.same([half.lose(), half.lose(), half.lose()], [true, false, true]);
  t.equal(half.lost(), 2);
});

t.test('a machine loses what it sends and what it hears, and the others hear it', async (t) => {
  const sent: string[] = [];
  const listeners: ((reply: never) => void)[] = [];
  const port = {
    subscribe: (_xid: number, _mac: Mac, listener: (reply: never) => void) => void listeners.push(listener),
    send: async () => void sent.push('send'),
    sendPxe: async () => sent.push('pxe'),
  } as unknown as ClientPort;
  const lossy = losePort(port, createTurns().lose);
  await lossy.send(BYTES, TO, 67);
  await lossy.send(BYTES, TO, 67);
  await lossy.sendPxe(BYTES, TO, 4011);
  await lossy.sendPxe(BYTES, TO, 4011);
  t.same(sent, ['send', 'pxe']);
  let heard = 0;
  lossy.subscribe(1, MAC, () => heard++);
  for (let reply = 0; reply < 4; reply++) listeners[0]?.(undefined as never);
  t.equal(heard, 2);
});

t.test('a socket loses what is sent, which its sender does not notice, and what comes', async (t) => {
  const sent: number[] = [];
  const inner = Object.assign(new EventEmitter(), {
    send: (_bytes: Uint8Array, port: number, _address: string, done: (error: null) => void) => {
      sent.push(port);
      done(null);
    },
    close: (done: () => void) => done(),
  });
  const socket = loseSocket(inner, createTurns().lose);
  let done = 0;
  for (const port of [1, 2, 3, 4]) socket.send(BYTES, port, 'host', () => done++);
  t.same(sent, [2, 4]);
  t.equal(done, 4);
  let heard = 0;
  const listener = () => void heard++;
  socket.on('message', listener);
  for (let message = 0; message < 4; message++) inner.emit('message', BYTES, {});
  t.equal(heard, 2);
  socket.off('message', listener);
  inner.emit('message', BYTES, {});
  inner.emit('message', BYTES, {});
  t.equal(heard, 2);
});
