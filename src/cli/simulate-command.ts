import type { Command } from 'commander';
import type { AdminClient } from '../admin/client.ts';
import { readTerminalEnvironment } from '../config/terminal-environment.ts';
import { FIRMWARE_ARCHITECTURES } from '../machine/architecture.ts';
import { simulationDeps } from '../simulation.ts';
import { type CliContext, readConfig } from './context.ts';
import { usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';
import { runSimulate, type SimulateArgs } from './simulate.ts';
import { runStormCommand } from './simulate-storm.ts';
import type { StormArgs } from './storm-args.ts';

const HELP = `
A virtual machine without a processor: asks by DHCP as firmware does, fetches its loader by TFTP, then acts as iPXE and
as the operating system, and prints each step. Needs the right to use port 68 on the interface.

With --machines, so many of them: how long each stage took, what failed and why, and what it cost the server, where a
daemon of this host answers. The first has the MAC of --mac (02:74:62:00:00:00), the others follow. Each has the address
that it is given, as a route of this host (ip route show table local proto 116) that is taken away at the end; that needs
root. --loss concerns DHCP and TFTP: losses of TCP are the kernel's (tc qdisc … netem). The daemon knows these machines
from then on: --forget has it forget them at the end. Ctrl-C ends it and prints what was measured.

A machine fails as its firmware would: after four DISCOVERs within a minute, six tries of a TFTP packet. With --attempts it
begins anew then, as one whose only boot option is the network does; the report has a line for it.

How machines arrive: all-at-once, 50/s (evenly), poisson:50/s (by chance), over:60s (all of them within a
minute), rolling:500 (so many under way; when one is up, the next is switched on).

Architectures: ${[...new Set(FIRMWARE_ARCHITECTURES.map(({ name }) => name))].join(', ')}

Examples:
  $ sudo tinderbox simulate --interface eth1 --arch uefi-x64 --mac 52:54:00:12:34:56
  $ sudo tinderbox simulate --interface eth1 --machines 1000
  $ sudo tinderbox simulate --interface eth1 --machines 200 --arrival over:60s --loss 1% --forget --json`;

type Flags = SimulateArgs & Omit<StormArgs, 'machines'> & { readonly machines?: string };

export function addSimulateCommand(program: Command, context: CliContext): void {
  program
    .command('simulate')
    .description('boot a virtual machine and print each step, or a thousand and measure')
    .requiredOption('--interface <name>', 'where it asks')
    .option('--arch <name>', 'what firmware it is', 'uefi-x64')
    .option('--mac <mac>', 'its hardware address')
    .option('--uuid <uuid>', 'its SMBIOS UUID')
    .option('--no-report', 'stop at the configuration: do not say `booted`')
    .option('--timeout <seconds>', 'for the whole boot of a machine')
    .option('--machines <count>', 'boot so many')
    .option('--arrival <pattern>', 'how they are switched on; all-at-once')
    .option('--loss <share>', 'lose so many packets on purpose: 1%')
    .option('--attempts <count>', 'how often a machine begins anew if it fails; 1: never')
    .option('--forget', 'have the daemon forget them at the end')
    .option('--json', 'print steps and artefacts, or figures, as JSON')
    .addHelpText('after', HELP)
    .action(async (args: Flags, command: Command) => {
      const code = await (args.machines === undefined
        ? simulateOne(args, context)
        : simulateMany({ ...args, machines: args.machines }, command, context));
      if (code !== 0) context.fail();
    });
}

function simulateOne(args: Flags, context: CliContext) {
  const alone = (['arrival', 'loss', 'attempts', 'forget'] as const).find((name) => args[name] !== undefined);
  if (alone !== undefined) throw usageError(`--${alone} is of use with --machines only`);
  return runSimulate(args, { ...simulationDeps, write: context.out });
}

async function simulateMany(args: Flags & StormArgs, command: Command, context: CliContext) {
  const alone = args.uuid !== undefined ? '--uuid' : args.report === false ? '--no-report' : undefined;
  if (alone !== undefined) throw usageError(`${alone} is of use for one machine only`);
  const daemon = await daemonOf(command, context);
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const signal of signals) process.once(signal, onSignal);
  try {
    return await runStormCommand(args, {
      ...simulationDeps,
      daemon,
      write: context.out,
      say: context.err,
      moves: process.stderr.isTTY && readTerminalEnvironment().moves,
      signal: stop.signal,
    });
  } finally {
    for (const signal of signals) process.off(signal, onSignal);
  }
}

/** A storm may come from another host, which has no configuration. */
async function daemonOf(command: Command, context: CliContext): Promise<AdminClient | undefined> {
  if (command.optsWithGlobals()['config'] !== undefined)
    return findDaemon(await readConfig(command, context));
  try {
    return await findDaemon(await readConfig(command, { ...context, err: () => undefined }));
  } catch {
    return undefined;
  }
}
