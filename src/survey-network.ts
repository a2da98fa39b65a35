import { randomBytes } from 'node:crypto';
import { type FoundDhcpServer, makeProbe, probeMac } from './boot/dhcp-probe.ts';
import { TinderboxError, toTinderboxError } from './errors.ts';
import { parseMac } from './machine/mac.ts';
import { findDhcpServers } from './net/find-dhcp-servers.ts';
import { type SurveyedInterface, surveyInterfaces } from './net/survey-interfaces.ts';

export type { SurveyedInterface } from './net/survey-interfaces.ts';
export { surveyInterfaces } from './net/survey-interfaces.ts';

/** What was heard of other DHCP servers on one interface. */
export interface WireSurvey {
  readonly interface: string;
  readonly servers: readonly FoundDhcpServer[];
  /** Why it could not be looked; then `servers` says nothing. */
  readonly failed?: string;
}

/** dnsmasq pings for three seconds what it is about to offer. */
const WAIT = 5000;

/** Asks on each interface, at once. Servers with an address of this host are left out: that is Tinderbox itself. */
export async function surveyWire(
  names: readonly string[],
  all: readonly (Pick<SurveyedInterface, 'name' | 'addresses'> & { readonly mac?: string })[],
  signal?: AbortSignal,
): Promise<readonly WireSurvey[]> {
  const own = new Set(all.flatMap(({ addresses }) => addresses.map(({ address }) => address)));
  return Promise.all(
    names.map(async (device): Promise<WireSurvey> => {
      try {
        const mac = parseMac(all.find(({ name }) => name === device)?.mac ?? '');
        const found = await findDhcpServers({
          device,
          probe: { ...makeProbe(randomBytes(10)), ...(mac === undefined ? {} : { mac: probeMac(mac) }) },
          wait: WAIT,
          ...(signal === undefined ? {} : { signal }),
        });
        return { interface: device, servers: found.filter(({ server }) => !own.has(server)) };
      } catch (thrown) {
        return { interface: device, servers: [], failed: toTinderboxError(thrown).message };
      }
    }),
  );
}

/**
 * The interface that machines most likely boot from: not the one that this host reaches the world by. Undefined if
 * there is none, or the choice is open.
 */
export function likeliestInterface(all: readonly SurveyedInterface[]): SurveyedInterface | undefined {
  const inside = all.filter(({ addresses, defaultRoute }) => addresses.length > 0 && !defaultRoute);
  const alive = inside.filter(({ carrier }) => carrier !== false);
  const [first, ...others] = alive.length > 0 ? alive : inside;
  return others.length === 0 ? first : undefined;
}

/** Throws TinderboxError `not-found`, naming those that there are. */
export async function requireInterfaces(names: readonly string[]): Promise<readonly SurveyedInterface[]> {
  const all = await surveyInterfaces();
  return names.map((name) => {
    const found = all.find((each) => each.name === name);
    if (found !== undefined) return found;
    const others = all.map((each) => each.name).join(', ') || 'none';
    throw new TinderboxError('not-found', `there is no network interface ${name}`, {
      remedy: `This host has: ${others}.`,
    });
  });
}
