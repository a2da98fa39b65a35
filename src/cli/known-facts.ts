import type { Config } from '../config/port.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { Mac } from '../machine/mac.ts';

export async function factsKnownToDaemon(_config: Config, mac: Mac): Promise<MachineFacts> {
  return { mac };
}
