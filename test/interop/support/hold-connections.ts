/*
 * Holds connections open to the HTTP server and never lets them come to an end: argv is how many, how they behave in turn
 * (0 says nothing, 1 dribbles its headers, 2 asks for /assets/big and does not read), and the addresses to come from. One that
 * is dropped comes back. Prints `held` once each was open. A program of its own, since a namespace is entered by a process.
 */
import { connect, type Socket } from 'node:net';

const [count = '0', kinds = '012', ...addresses] = process.argv.slice(2);
/** In ms. */
const AGAIN = 1000;
let first = Number(count);

const behave = (socket: Socket, kind: number): void => {
  if (kind === 1) {
    socket.write('GET /boot.ipxe HTTP/1.1\r\n');
    const timer = setInterval(() => socket.write('x'), 1000);
    socket.once('close', () => clearInterval(timer));
    socket.resume();
  } else if (kind === 2) {
    socket.write('GET /assets/big HTTP/1.1\r\nHost: x\r\n\r\n');
    socket.pause();
  } else socket.resume();
};

function hold(index: number, isFirst: boolean): void {
  const localAddress = addresses[index % Math.max(1, addresses.length)];
  const socket = connect({
    port: 80,
    host: '10.77.0.1',
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  let counted = !isFirst;
  const count = (): void => {
    if (!counted && --first === 0) console.log('held');
    counted = true;
  };
  socket.once('connect', () => {
    count();
    behave(socket, Number(kinds[index % kinds.length]));
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    count();
    setTimeout(() => hold(index, false), AGAIN);
  });
}
for (let index = 0; index < Number(count); index++) hold(index, true);
setInterval(() => undefined, 1000);
