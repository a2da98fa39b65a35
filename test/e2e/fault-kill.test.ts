import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import type { MachineKind } from '../../src/lab/machine-kinds.ts';
import { chooseSeed, seededRandom } from '../interop/support/seeded.ts';
import { explain, startLab } from '../support/start-lab.ts';

const FULL = process.env['TINDERBOX_FULL'] === '1';
/** Firmware differs in what it does when its server is gone; each takes its minute. */
const KINDS: readonly MachineKind[] = FULL ? ['bios-rom', 'bios-ipxe', 'uefi-x64'] : ['bios-ipxe'];
const KILLS = FULL ? 4 : 2;
const MAC = '52:54:00:12:34:56';
const BOOT_TIME = 240_000;

for (const kind of KINDS) {
  t.test(
    `real firmware, ${kind}, boots although the daemon is killed at random moments of its boot`,
    { timeout: 900_000 },
    async (t) => {
      const seed = chooseSeed();
      t.comment(`seed: TINDERBOX_SEED=${seed}`);
      const random = seededRandom(seed);
      await using lab = await startLab({
        mode: 'server',
        machinesYaml: `machines:\n  ${MAC}: { role: demo, hostname: killed-1 }\ndefault: demo-router\n`,
      });
      const machine = await lab.powerOn(kind, MAC);
      const booted = new AbortController();
      const watch = async (): Promise<boolean> => {
        try {
          await machine.console.waitFor(/^tinderbox: reported booted/, { timeout: BOOT_TIME });
          booted.abort();
        } catch {
          // Firmware that gave up is what a person at the power button sees.
        }
        return booted.signal.aborted;
      };
      const booting = watch();
      const away: number[] = [];
      while (!booted.signal.aborted && away.length < KILLS) {
        await Promise.race([delay(1000 + random() * 6000), booting]);
        const killed = performance.now();
        await lab.killDaemon();
        await lab.startDaemon();
        away.push(Math.round(performance.now() - killed));
      }
      if (!(await booting)) {
        await machine.reset();
        t.comment('it was switched off and on');
        try {
          await machine.console.waitFor(/^tinderbox: reported booted/, { timeout: BOOT_TIME });
        } catch (error) {
          t.comment(await explain(lab, machine));
          throw error;
        }
      }
      t.match(machine.console.lines.join('\n'), /hostname: "killed-1"/, 'with the configuration of its MAC');
      t.match(
        (await lab.inspect(MAC)).session,
        { end: 'booted', role: 'demo' },
        'and its session is known to have ended',
      );
      t.equal(await lab.stopDaemon(), 0);
      t.comment(`${kind}: ${away.length} kills, lost: 0; away ${away.join(', ')} ms`);
    },
  );
}
