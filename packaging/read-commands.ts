import type { Command } from 'commander';
import { buildProgram } from '../src/cli/program.ts';

export interface DescribedOption {
  /** As in a usage line: `--out <folder>`. */
  readonly usage: string;
  readonly flags: readonly string[];
  readonly takesValue: boolean;
  /** Where the value is one of few. */
  readonly choices: readonly string[];
  readonly description: string;
}

/** A command of the program, as commander knows it. */
export interface DescribedCommand {
  /** `tinderbox`, `tinderbox ca`, `tinderbox ca import`. */
  readonly path: string;
  readonly usage: string;
  readonly description: string;
  readonly options: readonly DescribedOption[];
  /** What `--help` says after the options: examples, exit codes. */
  readonly notes: string;
  readonly commands: readonly DescribedCommand[];
}

/** The whole command line, read from the program itself. */
export function readCommands(): DescribedCommand {
  let out = '';
  const program = buildProgram({
    out(text) {
      out += text;
    },
    err() {},
    fail() {},
  });
  const describe = (command: Command, parent: string): DescribedCommand => {
    const path = `${parent}${command.name()}`;
    const help = command.createHelp();
    out = '';
    command.outputHelp();
    // What stands there without `addHelpText`; the rest is notes.
    const plain = help.formatHelp(command, help);
    return {
      path,
      usage: command.usage(),
      description: command.description(),
      options: help.visibleOptions(command).map((option) => ({
        usage: option.flags,
        flags: [option.short, option.long].filter((flag) => flag !== undefined && flag !== null),
        takesValue: option.required || option.optional,
        choices: option.argChoices ?? [],
        description: option.description,
      })),
      notes: out.startsWith(plain) ? out.slice(plain.length).trim() : '',
      commands: command.commands
        .filter((each) => each.name() !== 'help')
        .map((each) => describe(each, `${path} `)),
    };
  };
  return describe(program, '');
}

/** The command and all below it, in the order of `--help`. */
export function flatten(command: DescribedCommand): readonly DescribedCommand[] {
  return [command, ...command.commands.flatMap(flatten)];
}
