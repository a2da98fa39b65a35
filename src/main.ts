import { runCli } from './cli/program.ts';

// Exit by running out of work: a pending write to a pipe is never cut off.
process.exitCode = await runCli(process.argv.slice(2));
