import type { NetworkNamespace } from '../../src/lab/namespace.ts';
import { runProgram } from '../../src/lab/run-program.ts';

/** One load: so many new exchanges a second for so many seconds. */
export interface PerfdhcpLoad {
  readonly rate: number;
  readonly seconds: number;
  /** The relay's address (perfdhcp always is one) and the server's. */
  readonly from: string;
  readonly to: string;
}

export interface PerfdhcpMeasurement {
  /** DISCOVERs a second that perfdhcp really sent; on a busy machine fewer than it was told to. */
  readonly asked: number;
  /** DISCOVERs without OFFER and REQUESTs without ACK, of all that were sent. */
  readonly lossRatio: number;
}

/** Machines that take turns; more than a probe asks in a second, so that most exchanges are new leases. */
const CLIENTS = 20_000;

export async function measurePerfdhcp(
  client: NetworkNamespace,
  load: PerfdhcpLoad,
): Promise<PerfdhcpMeasurement> {
  const { rate, seconds, from, to } = load;
  const argv = ['perfdhcp', '-4', '-r', String(rate), '-p', String(seconds), '-R', String(CLIENTS)];
  const patience = ['-W', '500000', '-l', from, to];
  // Exit code 3 says that packets were lost; the report says how many.
  const shell = ['sh', '-c', '"$@" 2>&1 || [ $? -eq 3 ]', 'sh', ...client.enter([...argv, ...patience])];
  return parseReport(await runProgram(shell, { timeout: (seconds + 30) * 1000 }), seconds);
}

/** Throws on what is no report: perfdhcp that did not run must not count as a server that lost everything. */
export function parseReport(text: string, seconds: number): PerfdhcpMeasurement {
  const numbers = (label: string): readonly number[] =>
    [...text.matchAll(new RegExp(`^${label}: (-?\\d+)`, 'gm'))].map((match) => Math.max(0, Number(match[1])));
  const sent = numbers('sent packets');
  const [discovers] = sent;
  if (discovers === undefined || sent.length < 2) throw new Error(`perfdhcp: ${text.slice(-500)}`);
  // Its own `Rate` counts the wait for the last answers as well.
  return { asked: discovers / seconds, lossRatio: sum(numbers('drops')) / Math.max(1, sum(sent)) };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
