import type { Command } from 'commander';
import type { CliContext } from './context.ts';

export function addMachinesCommand(program: Command, _context: CliContext): void {
  program.command('machines');
}
