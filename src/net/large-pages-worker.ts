import { fstatSync } from 'node:fs';
import { setPriority } from 'node:os';
import { loadLibc } from './libc.ts';

/**
 * A process of its own, for a file in memory that it has as descriptor 3: the kernel holds the lock of a process's mappings
 * while it waits for all processors, and in the daemon's own that would keep machines waiting. Ends with 0 if all pages of
 * the file that can be large are.
 */
const FILE = 3;
const NICENESS = 10;
try {
  setPriority(0, NICENESS);
} catch {
  // Not allowed to: then it is as urgent as everything else.
}
process.exitCode = loadLibc().enlargePages(FILE, fstatSync(FILE).size) ? 0 : 1;
