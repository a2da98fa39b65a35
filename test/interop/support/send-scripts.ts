/*
 * A flood over HTTP: requests for /ipxe, each with a random MAC, and connections that never say what they want. argv
 * is how many requests, and how many such connections are held open.
 */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { macFromBytes } from '../../../src/machine/mac.ts';

const SERVER = '10.77.0.1';
const AT_ONCE = 16;
/** A connection that was dropped comes back so soon. In ms. */
const AGAIN = 50;
const [requests = 0, silent = 0] = process.argv.slice(2).map(Number);

function holdOpen(): void {
  const socket = connect(80, SERVER, () => socket.write('GET /'));
  socket.on('error', () => undefined);
  socket.on('close', () => setTimeout(holdOpen, AGAIN));
  socket.resume();
}
for (let index = 0; index < silent; index++) holdOpen();

let sent = 0;
async function ask(): Promise<void> {
  while (sent++ < requests) {
    const mac = macFromBytes(Buffer.concat([Buffer.from([2]), randomBytes(5)]));
    await fetch(`http://${SERVER}/ipxe?mac=${mac}`).then(
      (answer) => answer.text(),
      () => undefined,
    );
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, ask));
process.exit();
