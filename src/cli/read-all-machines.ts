import type { MachineListView } from '../admin/api.ts';
import type { AdminClient } from '../admin/client.ts';
import type { Mac } from '../machine/mac.ts';

/** The most that the daemon gives at once. */
const PAGE = 1_000;

/** Every machine that was seen, the last one first. One that asks while the pages are read is there once all the same. */
export async function readAllMachines(client: Pick<AdminClient, 'listMachines'>): Promise<MachineListView> {
  const all = new Map<Mac, MachineListView['machines'][number]>();
  for (let offset = 0; ; offset += PAGE) {
    const { machines } = await client.listMachines({ limit: PAGE, offset });
    for (const one of machines) if (!all.has(one.machine.mac)) all.set(one.machine.mac, one);
    if (machines.length < PAGE) return { machines: [...all.values()] };
  }
}
