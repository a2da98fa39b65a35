import type { Test } from 'tap';
import type { QemuMachine } from '../../src/lab/qemu-machine.ts';
import type { EventKind } from '../../src/machine/event.ts';
import { explain, type Lab, type MachineDetail } from './start-lab.ts';

/** Emulated firmware takes half a minute to its first packet, and the host may be busy. */
export const BOOT_TIME = 300_000;

/** Waits until the machine is up with the configuration of its MAC, and checks that its timeline tells how. */
export async function checkBoot(
  t: Test,
  lab: Lab,
  machine: QemuMachine,
  wanted: { readonly hostname: string; readonly role?: string; readonly events: readonly EventKind[] },
): Promise<MachineDetail> {
  const { mac, kind } = machine;
  const { hostname, role = 'demo', events } = wanted;
  try {
    await machine.console.waitFor(/^tinderbox: reported booted/, { timeout: BOOT_TIME });
  } catch (error) {
    t.comment(await explain(lab, machine));
    throw error;
  }
  const screen = machine.console.lines.join('\n');
  t.match(screen, new RegExp(`role=${role}\\n`), `${kind}: a configuration of its role`);
  t.match(screen, new RegExp(`tinderbox: ${hostname} up with ${mac}`), `${kind}: its own hostname`);
  const detail = await lab.inspect(mac);
  t.match(detail.session, { stage: 'booted', end: 'booted', role, hostname }, `${kind}: booted`);
  const times = ['offered', 'firmware', 'script', 'kernel', 'initrd', 'config', 'booted'] as const;
  const reached = times.map((stage) => detail.session?.stageTimes[stage] ?? Number.NaN);
  t.same(
    reached,
    reached.toSorted((one, other) => one - other),
    `${kind}: every stage was reached, in their order: ${JSON.stringify(detail.session?.stageTimes)}`,
  );
  for (const event of [...events, 'http.config', 'http.report'] as const) {
    t.ok(
      detail.events.some(({ kind, reasons }) => kind === event && reasons.length > 0),
      `${kind}: ${event} is in the timeline, with a reason`,
    );
  }
  return detail;
}

/** The machine's diagnosis, once it has one. Bounded by the test's own time. */
export async function waitForDiagnosis(lab: Lab, mac: string) {
  for (;;) {
    const found = await lab.inspect(mac).catch(() => undefined);
    const stalled = found?.session?.stalled;
    if (stalled !== undefined) return stalled;
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}
