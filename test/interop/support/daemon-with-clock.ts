/*
 * The daemon with a clock that can be set: argv is its configuration's file; each line of stdin is a number of
 * milliseconds by which the time of day is set forward (or back) from then on. Prints the log, and `set` after each.
 */
import { createInterface } from 'node:readline';
import { loadConfig } from '../../../src/config/load.ts';
import { startDaemon } from '../../../src/daemon.ts';
import { createLoggers } from '../../../src/logger.ts';

let offset = 0;
const { config } = await loadConfig(process.argv[2] ?? '');
const daemon = await startDaemon({ config, loggers: createLoggers(), now: () => Date.now() + offset });
for await (const line of createInterface({ input: process.stdin })) {
  offset += Number(line);
  console.log('set');
}
await daemon.stop();
