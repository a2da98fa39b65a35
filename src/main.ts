// What `ps` and whoever asks who holds a port show, instead of Node's own name for its main thread.
process.title = ['tinderbox', ...process.argv.slice(2)].join(' ');
// The program takes some tenths of a second to load. Who asks a service for a reload meanwhile must not end it, and
// it reads everything afterwards anyway; from then on `serve` listens itself.
const ignoreReload = (): void => undefined;
if (process.argv.includes('serve')) process.on('SIGHUP', ignoreReload);
const { runCli } = await import('./cli/program.ts');
// Exit by running out of work: a pending write to a pipe is never cut off.
process.exitCode = await runCli(process.argv.slice(2));
process.off('SIGHUP', ignoreReload);
