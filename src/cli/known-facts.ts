import type { Config } from '../config/port.ts';
import { toTinderboxError } from '../errors.ts';
import type { MachineFacts } from '../machine/facts.ts';
import { parseIpv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import { findDaemon } from './find-daemon.ts';

/** What the running daemon has seen of a machine; its MAC alone if there is none, or the machine was never seen. */
export async function factsKnownToDaemon(config: Config, mac: Mac): Promise<MachineFacts> {
  const daemon = await findDaemon(config);
  if (daemon === undefined) return { mac };
  try {
    const { address, relay, ...facts } = (await daemon.machine(mac)).machine;
    const own = parseIpv4(address ?? '');
    const relayAddress = parseIpv4(relay ?? '');
    return {
      ...facts,
      ...(own === undefined ? {} : { address: own }),
      ...(relayAddress === undefined ? {} : { relay: relayAddress }),
    };
  } catch (thrown) {
    const error = toTinderboxError(thrown);
    if (error.code === 'not-found') return { mac };
    throw error;
  }
}
