import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { AdmissionListView, DaemonStatus, MachineListView } from './admin/api.ts';
import type { Finding } from './boot/finding.ts';
import type { Config } from './config/port.ts';
import type { Preflight } from './preflight.ts';

/** What the checks of `doctor` look at. */
export interface DoctorContext {
  readonly config: Config;
  /** Undefined: no daemon runs. */
  readonly status: DaemonStatus | undefined;
  /** It is the daemon that looks at itself: with the rights that it has. */
  readonly inDaemon: boolean;
  /** Of the files as they are now. */
  readonly preflight: Promise<Preflight>;
  /** Those that were seen, the last one first; bounded. */
  readonly machines: () => Promise<MachineListView['machines']>;
  readonly admissions: () => Promise<AdmissionListView>;
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The check took too long. */
  readonly signal: AbortSignal;
}

/** Looks at one thing, and changes nothing. What it throws is said in its place. */
export type DoctorCheck = (context: DoctorContext) => Promise<readonly Finding[]>;

/** In ms. */
const PROGRAM_LIMIT = 5000;

/**
 * What a program of the host prints; undefined if there is none, or it fails. `LC_ALL`: its words are read. Those for the
 * administrator are not on everybody's PATH.
 */
export async function askProgram(
  program: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<string | undefined> {
  try {
    const argv = ['LC_ALL=C', 'PATH=/usr/sbin:/usr/bin:/sbin:/bin', program, ...args];
    const { stdout } = await promisify(execFile)('env', argv, {
      timeout: PROGRAM_LIMIT,
      maxBuffer: 16 * 1024 * 1024,
      signal,
    });
    return stdout;
  } catch {
    return undefined;
  }
}
