import { readdirSync, readFileSync } from 'node:fs';

/** What a process holds at the moment. */
export interface ProcessFigures {
  /** Resident megabytes. */
  readonly rss: number;
  /** Open descriptors. */
  readonly descriptors: number;
  readonly threads: number;
  /** Seconds of processor that it has used so far. */
  readonly cpu: number;
}

/** proc_pid_stat(5) counts in these, on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** Of a process of this host; throws if it has ended. */
export function figuresOf(pid: number): ProcessFigures {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  // The name in brackets may have spaces in it.
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return {
    rss: Math.round(field('VmRSS') / 1024),
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: field('Threads'),
    cpu: (Number(stat[11]) + Number(stat[12])) / TICKS_PER_SECOND,
  };
}
