import { readFile } from 'node:fs/promises';
import { readInterfaces } from './interfaces.ts';
import type { NetworkInterface } from './port.ts';

/** What an operator chooses an interface by. */
export interface SurveyedInterface extends NetworkInterface {
  /** This host reaches the rest of the world by it. */
  readonly defaultRoute: boolean;
}

/** Every interface but the loopback. */
export async function surveyInterfaces(): Promise<readonly SurveyedInterface[]> {
  const routed = parseDefaultRoutes(await readFile('/proc/self/net/route', 'latin1').catch(() => ''));
  return (await readInterfaces())
    .filter(({ name }) => name !== 'lo')
    .map((each) => ({ ...each, defaultRoute: routed.has(each.name) }));
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
