import type { Command } from 'commander';
import { FIRMWARE_ARCHITECTURES } from '../machine/architecture.ts';
import { simulationDeps } from '../simulation.ts';
import type { CliContext } from './context.ts';
import { runSimulate, type SimulateArgs } from './simulate.ts';

const HELP = `
A virtual machine without a processor: asks by DHCP as firmware does, fetches its loader by TFTP, then acts as iPXE and
as the operating system, and prints each step. Needs the right to use port 68 on the interface.

Architectures: ${[...new Set(FIRMWARE_ARCHITECTURES.map(({ name }) => name))].join(', ')}

Example:
  $ sudo tinderbox simulate --interface eth1 --arch uefi-x64 --mac 52:54:00:12:34:56`;

export function addSimulateCommand(program: Command, context: CliContext): void {
  program
    .command('simulate')
    .description('boot a virtual machine and print each step')
    .requiredOption('--interface <name>', 'where it asks')
    .option('--arch <name>', 'what firmware it is', 'uefi-x64')
    .option('--mac <mac>', 'its hardware address')
    .option('--uuid <uuid>', 'its SMBIOS UUID')
    .option('--no-report', 'stop at the configuration: do not say `booted`')
    .option('--timeout <seconds>', 'for the whole boot')
    .option('--json', 'print steps and artefacts as JSON')
    .addHelpText('after', HELP)
    .action(async (args: SimulateArgs) => {
      const code = await runSimulate(args, { ...simulationDeps, write: context.out });
      if (code !== 0) context.fail();
    });
}
