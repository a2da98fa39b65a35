import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';

/** proc_pid_stat(5) counts in these, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const MIB = 1024 * 1024;

/** Processor time of a process with all of its threads, in seconds; throws if it has ended. */
export function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Resident memory and the files in memory that it holds open, which are nobody's resident memory. In MiB. */
export function memoryOf(pid: number): number {
  const resident = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024;
  const files = new Map<number, number>();
  for (const name of readdirSync(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${name}`;
    try {
      if (!readlinkSync(path).startsWith('/memfd:')) continue;
      const { ino, blocks } = statSync(path);
      files.set(ino, blocks * 512);
    } catch {
      // It was closed meanwhile.
    }
  }
  return Math.round(resident + [...files.values()].reduce((sum, bytes) => sum + bytes, 0) / MIB);
}
