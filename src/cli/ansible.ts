import { listInventory, type SeenMachine } from '../boot/list-inventory.ts';
import type { Config } from '../config/port.ts';
import { toTinderboxError } from '../errors.ts';
import { parseIpv4 } from '../machine/ipv4.ts';
import { openOfflineClient } from '../offline-client.ts';
import { ansibleInventory, writeAnsibleJson, writeAnsibleYaml } from '../render/ansible-inventory.ts';
import type { CliContext } from './context.ts';
import { findDaemon } from './find-daemon.ts';
import { readAllMachines } from './read-all-machines.ts';
import { readCatalog } from './read-catalog.ts';

/**
 * `tinderbox machines --format ansible`: what profiles/ wants, and what was seen of it. Needs neither a daemon nor a
 * database: who was not seen stands in it with the address that is reserved for it.
 */
export async function printAnsible(
  config: Config,
  format: 'ansible' | 'ansible-json',
  context: CliContext,
): Promise<void> {
  const catalog = await readCatalog(config);
  const seen = await readSeen(config, context);
  const inventory = ansibleInventory(listInventory(catalog, config.cluster, seen), config.cluster);
  for (const note of inventory.notes) context.err(`note: ${note}\n`);
  context.out(format === 'ansible' ? writeAnsibleYaml(inventory) : writeAnsibleJson(inventory));
}

async function readSeen(config: Config, context: CliContext): Promise<readonly SeenMachine[]> {
  try {
    const daemon = await findDaemon(config);
    if (daemon !== undefined) return toSeen(await readAllMachines(daemon));
    await using client = await openOfflineClient(config);
    return toSeen(await readAllMachines(client));
  } catch (thrown) {
    const { code, message } = toTinderboxError(thrown);
    // There is no database before the first start.
    if (code !== 'not-found') context.err(`note: without what was seen: ${message}\n`);
    return [];
  }
}

function toSeen({ machines }: Awaited<ReturnType<typeof readAllMachines>>): readonly SeenMachine[] {
  return machines.map(({ machine, session }) => {
    const { address, relay, ...facts } = machine;
    const own = parseIpv4(session?.address ?? address ?? '');
    const relayAddress = parseIpv4(relay ?? '');
    const hostname = session?.hostname ?? machine.hostname;
    return {
      facts: {
        ...facts,
        ...(own === undefined ? {} : { address: own }),
        ...(relayAddress === undefined ? {} : { relay: relayAddress }),
      },
      ...(session?.role === undefined ? {} : { role: session.role }),
      ...(hostname === undefined ? {} : { hostname }),
    };
  });
}
