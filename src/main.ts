import { runCli } from './cli/program.ts';

// What `ps` and whoever asks who holds a port show, instead of Node's own name for its main thread.
process.title = ['tinderbox', ...process.argv.slice(2)].join(' ');
// Exit by running out of work: a pending write to a pipe is never cut off.
process.exitCode = await runCli(process.argv.slice(2));
