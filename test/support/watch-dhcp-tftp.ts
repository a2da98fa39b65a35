import { once } from 'node:events';
import { stopProcess } from '../../src/lab/namespace.ts';
import type { Lab } from './start-lab.ts';

/** How many packets a machine has sent to the server's ports, seen on the wire. */
export interface PortWatch extends AsyncDisposable {
  readonly count: (mac: string, port: 67 | 69) => number;
}

/** Counts what is asked by DHCP and TFTP, whether Tinderbox notices or not. */
export async function watchDhcpAndTftp({ network: { namespace, bridge } }: Lab): Promise<PortWatch> {
  const filter = 'udp and (dst port 67 or dst port 69)';
  const child = namespace.spawn(
    ['tcpdump', '-i', bridge, '-n', '-e', '-l', '-q', '--immediate-mode', filter],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => void (text += chunk.toString('latin1')));
  // It says that it listens.
  await once(child.stderr as NodeJS.ReadableStream, 'data');
  return {
    count: (mac, port) =>
      text.split('\n').filter((line) => line.includes(` ${mac} > `) && line.includes(`.${port}: UDP`)).length,
    [Symbol.asyncDispose]: () => stopProcess(child),
  };
}
