/*
 * Every client over a loopback that loses one packet in twenty, both ways. A program of its own, since a namespace is
 * entered by a process; the namespace and its rules end with it. Prints one JSON line for each read.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { startHarness } from '../../servers/support/tftp-harness.ts';
import { PROGRAMS } from './tftp-programs.ts';

export interface LossyRead {
  readonly client: string;
  readonly windowSize: number | undefined;
  readonly same: boolean;
  readonly error: string | undefined;
}

execFileSync('ip', ['link', 'set', 'lo', 'up']);
// tftp-hpa resolves with AI_ADDRCONFIG, to which a host with loopback alone has no IPv4.
execFileSync('ip', ['address', 'add', '192.0.2.1/32', 'dev', 'lo']);
// On the way in: on the way out a dropped packet is an error of send(2), which no real network gives.
const lossy = '-A INPUT -p udp -m statistic --mode random --probability 0.05 -j DROP';
execFileSync('iptables', lossy.split(' '));

// What each of them says then.
const ABORTS_AT_SECOND_OACK: Readonly<Record<string, string>> = {
  atftp: 'unexpected OACK',
  'npm tftp': 'Illegal TFTP operation',
};

function isAbort(client: string, got: Buffer | string): boolean {
  const said = ABORTS_AT_SECOND_OACK[client];
  return typeof got === 'string' && said !== undefined && got.includes(said);
}

const loader = randomBytes(74_213);
const harness = await startHarness({ files: { loader } });
const orders = PROGRAMS.filter(({ name }) => name !== 'by hand').flatMap((program) =>
  (program.windows ? [1, 4, 64] : [undefined]).map((windowSize) => ({ program, windowSize })),
);
await Promise.all(
  orders.map(async ({ program, windowSize }) => {
    const options = {
      ...(program.blocks && { blockSize: 1468 }),
      ...(windowSize !== undefined && { windowSize }),
    };
    const readOnce = (): Promise<Buffer | string> =>
      program
        .read({ port: harness.port, name: 'loader', ...options })
        .catch((thrown: unknown) => String(thrown));
    let got = await readOnce();
    // Two clients abort where their ACK of the OACK was lost and the OACK, as it must, comes again: started once more.
    for (let again = 0; again < 5 && isAbort(program.name, got); again++) {
      got = await readOnce();
    }
    // The end of it: before that atftp prints every packet that it did not expect.
    const error = typeof got === 'string' ? got.slice(-300) : undefined;
    const same = typeof got !== 'string' && got.equals(loader);
    const result: LossyRead = { client: program.name, windowSize, same, error };
    process.stdout.write(`${JSON.stringify(result)}\n`);
  }),
);
const [rule = ''] = execFileSync('iptables', ['-nvxL', 'INPUT'], { encoding: 'utf8' }).split('\n').slice(2);
process.stdout.write(`${JSON.stringify({ dropped: Number(rule.trim().split(/\s+/)[0]) })}\n`);
await harness.stop();
