import { readFile } from 'node:fs/promises';
import { readInterfaces } from './interfaces.ts';
import { loadLibc } from './libc.ts';
import type { NetworkInterface } from './port.ts';

/** What an operator chooses an interface by. */
export interface SurveyedInterface extends NetworkInterface {
  /** Undefined where it cannot be told. */
  readonly carrier: boolean | undefined;
  /** This host reaches the rest of the world by it. */
  readonly defaultRoute: boolean;
}

/** Every interface but the loopback. */
export async function surveyInterfaces(): Promise<readonly SurveyedInterface[]> {
  const routed = parseDefaultRoutes(await readFile('/proc/self/net/route', 'latin1').catch(() => ''));
  const running = runningInterfaces();
  return (await readInterfaces())
    .filter(({ name }) => name !== 'lo')
    .map((each) => ({
      ...each,
      carrier: running === undefined ? undefined : running.has(each.name),
      defaultRoute: routed.has(each.name),
    }));
}

/** /proc/net/route: `Iface Destination Gateway Flags RefCnt Use Metric Mask …`, in hexadecimal (proc(5)). */
export function parseDefaultRoutes(text: string): ReadonlySet<string> {
  const names = text.split('\n').flatMap((line) => {
    const [name = '', destination, , flags = '0', , , , mask] = line.trim().split(/\s+/);
    const isUp = (Number.parseInt(flags, 16) & 1) === 1;
    return destination === '00000000' && mask === '00000000' && isUp ? [name] : [];
  });
  return new Set(names);
}

function runningInterfaces(): ReadonlySet<string> | undefined {
  try {
    const entries = loadLibc().interfaceAddresses();
    return new Set(entries.filter(({ running }) => running).map(({ name }) => name));
  } catch {
    return undefined;
  }
}
