import { Command, CommanderError } from 'commander';
import { readVersion } from '../version.ts';
import { addApproveCommand } from './approve.ts';
import { addAssetsCommand } from './assets.ts';
import { addAssignCommand } from './assign.ts';
import { addAuditCommand } from './audit.ts';
import { addBackupCommand } from './backup.ts';
import { addCaCommand } from './ca.ts';
import { addCheckCommand } from './check.ts';
import type { CliContext, CliOutput } from './context.ts';
import { addDoctorCommand } from './doctor.ts';
import { type ExitCode, reportFailure } from './exit.ts';
import { addExplainCommand } from './explain.ts';
import { addForgetCommand } from './forget.ts';
import { addImportCommand } from './import.ts';
import { addInitCommand } from './init.ts';
import { addIsoCommand } from './iso.ts';
import { addKubeconfigCommand } from './kubeconfig.ts';
import { addLogCommand } from './log.ts';
import { addMachinesCommand } from './machines-command.ts';
import { addPowerCommand } from './power.ts';
import { addQueueCommand } from './queue.ts';
import { addRebootCommand } from './reboot.ts';
import { addRehearseCommand } from './rehearse.ts';
import { addRenderCommand } from './render.ts';
import { addRestoreCommand } from './restore.ts';
import { addServeCommand } from './serve.ts';
import { addSimulateCommand } from './simulate-command.ts';
import { addTokenCommand } from './token.ts';
import { addWatchCommand } from './watch.ts';

const EXAMPLES = `
Examples:
  $ sudo tinderbox init                                a first configuration, from questions or flags
  $ sudo tinderbox assets pull flatcar                 fetch what machines boot
  $ sudo tinderbox check                               everything that is wrong, at once
  $ sudo tinderbox doctor                              why nothing boots
  $ sudo tinderbox serve                               run the service in the foreground
  $ sudo tinderbox machines                            who was seen, and how far each came
  $ sudo tinderbox assign 52:54:00:12:34:56 worker     give a machine its role
  $ sudo tinderbox approve                             who waits for approval; with a MAC: let it in

Members of the group tinderbox need no sudo for what only asks the daemon: machines, watch, queue, explain, log, audit, token, approve without a MAC, render MAC.

Exit codes: 0 ok, 1 failed, 2 wrong usage.`;

const COMMANDS = [
  addInitCommand,
  addServeCommand,
  addCheckCommand,
  addMachinesCommand,
  addExplainCommand,
  addWatchCommand,
  addDoctorCommand,
  addAssetsCommand,
  addLogCommand,
  addAuditCommand,
  addTokenCommand,
  addAssignCommand,
  addApproveCommand,
  addForgetCommand,
  addPowerCommand,
  addQueueCommand,
  addRebootCommand,
  addRenderCommand,
  addCaCommand,
  addSimulateCommand,
  addRehearseCommand,
  addKubeconfigCommand,
  addIsoCommand,
  addImportCommand,
  addBackupCommand,
  addRestoreCommand,
];

/** Runs one command line; never throws and never exits by itself. */
export async function runCli(
  argv: readonly string[],
  output: CliOutput = processOutput(),
): Promise<ExitCode> {
  let code: ExitCode = 0;
  const context: CliContext = {
    ...output,
    fail(as = 1) {
      code = as;
    },
  };
  try {
    await buildProgram(context).parseAsync([...argv], { from: 'user' });
    return code;
  } catch (thrown) {
    // Help and version come out as errors with exit code 0; commander has printed its own text already.
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? 0 : 2;
    const failure = reportFailure(thrown, argv.includes('--verbose'));
    output.err(failure.text);
    return failure.code;
  }
}

/** All commands; man pages and completions are made from it too. */
export function buildProgram(context: CliContext): Command {
  const program = new Command('tinderbox')
    .description('Lights bare metal: boots machines from the network, and says why one does not.')
    .version(readVersion())
    // So that `assets pull --version` is its own.
    .enablePositionalOptions()
    .addHelpText('after', EXAMPLES);
  for (const addCommand of COMMANDS) addCommand(program, context);
  for (const command of withSubcommands(program)) {
    // `--config` may stand before or after the command.
    command
      .option(
        '--config <file>',
        'default: $TINDERBOX_CONFIG, ./tinderbox.yaml, /etc/tinderbox/tinderbox.yaml',
      )
      .option('--verbose', 'print the stack of an error')
      .configureOutput({ writeOut: context.out, writeErr: context.err })
      .showSuggestionAfterError()
      .exitOverride();
  }
  return program;
}

/** At every depth: `ca show` has its own usage to be wrong about. */
function withSubcommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(withSubcommands)];
}

/** Who pipes us into `head` closes the pipe early: that is no failure, and nothing more is to be said. */
function processOutput(): CliOutput {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
  return { out: (text) => process.stdout.write(text), err: (text) => process.stderr.write(text) };
}
