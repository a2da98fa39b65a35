import type { Command } from 'commander';
import { findConfigFile, loadConfig } from '../config/load.ts';
import type { Config } from '../config/port.ts';
import { formatProblem, TinderboxError } from '../errors.ts';
import { type Mac, parseMac } from '../machine/mac.ts';
import type { ExitCode } from './exit.ts';

export interface CliOutput {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
}

/** What a command has besides its arguments. */
export interface CliContext extends CliOutput {
  /** A command that found problems, and printed them, ends with exit code 1, or this one. */
  fail(code?: ExitCode): void;
}

/** The file that `--config` names, wherever it stood on the line, or the one found. Throws as findConfigFile does. */
export async function locateConfig(command: Command, { err }: CliOutput): Promise<string> {
  const flag: unknown = command.optsWithGlobals()['config'];
  return findConfigFile({
    flag: typeof flag === 'string' ? flag : undefined,
    warn: (problem) => err(`warning: ${formatProblem(problem)}\n`),
  });
}

/** The configuration that `--config` names, wherever it stood on the line, or the one found; says its warnings. */
export async function readConfig(command: Command, context: CliContext): Promise<Config> {
  const { config, warnings } = await loadConfig(await locateConfig(command, context));
  for (const warning of warnings) context.err(`warning: ${formatProblem(warning)}\n`);
  return config;
}

/** Throws TinderboxError `usage` on what is no MAC. */
export function requireMac(text: string): Mac {
  const mac = parseMac(text);
  if (mac !== undefined) return mac;
  throw new TinderboxError('usage', `'${text}' is not a MAC address`, {
    remedy: 'Write it as 52:54:00:12:34:56.',
  });
}
