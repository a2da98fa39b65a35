import type { NetworkNamespace } from '../../src/lab/namespace.ts';
import { runProgram } from '../../src/lab/run-program.ts';

/** One load: so many new exchanges a second for so many seconds. */
export interface DhcpLoad {
  readonly rate: number;
  readonly seconds: number;
  /** The relay's address (perfdhcp always is one) and the server's. */
  readonly from: string;
  readonly to: string;
}

export interface DhcpMeasurement {
  /** Whole four-way exchanges a second. */
  readonly exchanges: number;
  /** DISCOVERs without OFFER and REQUESTs without ACK. */
  readonly lost: number;
  readonly sent: number;
}

/** Machines that take turns; more than a probe asks in a second, so that most exchanges are new leases. */
const CLIENTS = 20_000;

export async function measureDhcp(client: NetworkNamespace, load: DhcpLoad): Promise<DhcpMeasurement> {
  const { rate, seconds, from, to } = load;
  const argv = ['perfdhcp', '-4', '-r', String(rate), '-p', String(seconds), '-R', String(CLIENTS)];
  const patience = ['-W', '500000', '-l', from, to];
  // Exit code 3 says that packets were lost; the report says how many.
  const shell = ['sh', '-c', '"$@" 2>&1 || [ $? -eq 3 ]', 'sh', ...client.enter([...argv, ...patience])];
  return parseReport(await runProgram(shell, { timeout: (seconds + 30) * 1000 }));
}

/** Throws on what is no report: perfdhcp that did not run must not count as a server that lost everything. */
export function parseReport(text: string): DhcpMeasurement {
  const rate = /Rate: ([\d.]+)/.exec(text)?.[1];
  const sent = [...text.matchAll(/sent packets: (\d+)/g)].map((match) => Number(match[1]));
  const drops = [...text.matchAll(/drops: (-?\d+)/g)].map((match) => Math.max(0, Number(match[1])));
  if (rate === undefined || sent.length < 2) throw new Error(`perfdhcp: ${text.slice(-500)}`);
  const total = (numbers: readonly number[]): number => numbers.reduce((sum, number) => sum + number, 0);
  return { exchanges: Number(rate), lost: total(drops), sent: total(sent) };
}
