import { connect } from 'node:net';

/**
 * Runs in a process of its own: downloads one URL over N connections for some seconds and throws the bytes away.
 * argv: port path connections seconds [host]. Prints `{"bytes":…,"seconds":…}`. Reads into one shared buffer
 * (`onread`), so that the client costs as little as it can.
 */
interface Job {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly seconds: number;
  readonly host: string;
}

function measure({
  port,
  path,
  connections,
  seconds,
  host,
}: Job): Promise<{ bytes: number; seconds: number }> {
  const buffer = Buffer.allocUnsafe(1024 * 1024);
  const head = `GET ${path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n`;
  const started = process.hrtime.bigint();
  const until = started + BigInt(Math.round(seconds * 1e9));
  let bytes = 0;
  return new Promise((resolve) => {
    let open = connections;
    const download = (): void => {
      if (process.hrtime.bigint() >= until) {
        open--;
        if (open === 0) resolve({ bytes, seconds: Number(process.hrtime.bigint() - started) / 1e9 });
        return;
      }
      const socket = connect({
        port,
        host,
        onread: {
          buffer,
          callback(count) {
            bytes += count;
            if (process.hrtime.bigint() >= until) socket.destroy();
            return true;
          },
        },
      });
      socket.on('connect', () => socket.write(head));
      socket.on('error', () => undefined);
      socket.on('close', download);
    };
    for (let index = 0; index < connections; index++) download();
  });
}

const [port, path = '/', connections, seconds, host = '127.0.0.1'] = process.argv.slice(2);
const result = await measure({
  port: Number(port),
  path,
  connections: Number(connections),
  seconds: Number(seconds),
  host,
});
console.log(JSON.stringify(result));
