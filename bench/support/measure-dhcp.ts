import { readdir, readFile, readlink } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { NetworkNamespace } from '../../src/lab/namespace.ts';
import { runProgram } from '../../src/lab/run-program.ts';
import type { DhcpLoadOrder, DhcpLoadResult } from './dhcp-load.ts';

const CLIENT = fileURLToPath(new URL('dhcp-load.ts', import.meta.url));

/** A server in a namespace of its own, and where it is asked from. */
export interface DhcpTarget {
  readonly server: NetworkNamespace;
  readonly client: NetworkNamespace;
}

export interface DhcpMeasurement extends DhcpLoadResult {
  /** Exchanges a second. */
  readonly rate: number;
  /** Exchanges that began and had no ACK in the end, of all. */
  readonly lossRatio: number;
  /** The server's processor time for an exchange, in ms; all its threads. */
  readonly cpu: number;
}

/** Runs the load client of dhcp-load.ts against a server and reads the server's processor time beside. */
export async function measureDhcp(target: DhcpTarget, order: DhcpLoadOrder): Promise<DhcpMeasurement> {
  const before = await processorTime(target.server);
  const argv = [process.execPath, '--disable-warning=ExperimentalWarning', CLIENT, JSON.stringify(order)];
  const output = await runProgram(target.client.enter(argv), { timeout: (order.seconds + 60) * 1000 });
  // What is written behind belongs to the exchanges, too.
  await delay(500);
  const spent = (await processorTime(target.server)) - before;
  const result = JSON.parse(output) as DhcpLoadResult;
  const answered = Math.max(1, result.done);
  return {
    ...result,
    rate: result.done / result.seconds,
    // In a closed loop those that are under way at the end are waited for, and count as done late, not as lost.
    lossRatio: result.lost / Math.max(1, result.begun),
    cpu: spent / answered,
  };
}

/** Of the largest process in the namespace, which is the server: its holder is a `cat`. In ms. */
async function processorTime(namespace: NetworkNamespace): Promise<number> {
  const own = await readlink(`/proc/${namespace.pid}/ns/net`);
  let largest = { pages: 0, ms: 0 };
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    try {
      if ((await readlink(`/proc/${pid}/ns/net`)) !== own) continue;
      // proc(5): utime, stime are fields 14 and 15, rss is 24; a name may hold spaces, so count from its end.
      const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /s, '').split(' ');
      const pages = Number(fields[21]);
      // USER_HZ is 100 wherever Linux runs.
      if (pages > largest.pages) largest = { pages, ms: (Number(fields[11]) + Number(fields[12])) * 10 };
    } catch {
      // It ended meanwhile.
    }
  }
  return largest.ms;
}
