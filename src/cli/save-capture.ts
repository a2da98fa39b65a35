import { writeFile } from 'node:fs/promises';
import type { AdminClient } from '../admin/client.ts';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import { summarizePcap } from '../protocol/pcap/pcap-file.ts';
import type { CliOutput } from './context.ts';
import { usageError } from './exit.ts';
import { readMachinesUsage } from './machines.ts';
import { sessionNumber } from './session-number.ts';

export interface CaptureFlags {
  /** A file, or a dash for stdout. */
  readonly pcap?: string;
  readonly session?: string;
  readonly follow?: boolean;
  readonly json?: boolean;
  readonly format?: string;
}

export interface CaptureArgs {
  readonly mac: Mac;
  readonly file: string;
  /** Absent: all that are kept. */
  readonly session?: number;
}

/** Undefined: no capture is asked for. Throws TinderboxError `usage`. */
export function readCaptureUsage(
  mac: string | undefined,
  flags: CaptureFlags,
  stdoutIsTerminal = process.stdout.isTTY,
): CaptureArgs | undefined {
  if (flags.pcap === undefined) return undefined;
  const known = readMachinesUsage(mac === undefined ? {} : { mac });
  if (known === undefined) throw usageError('--pcap needs a MAC', 'Name the machine whose packets you want.');
  if (flags.follow === true || flags.json === true || flags.format !== undefined)
    throw usageError('--pcap writes a file, and prints neither a timeline nor JSON');
  if (flags.pcap === '-' && stdoutIsTerminal)
    throw usageError(
      'a capture is no text for a terminal',
      'Give a file, or pipe it: … --pcap - | tshark -r -',
    );
  const session = flags.session === undefined ? {} : { session: sessionNumber(flags.session) };
  return { mac: known, file: flags.pcap, ...session };
}

/**
 * Writes what the daemon keeps of a machine's packets, and says how many and of which time. Throws TinderboxError
 * `unavailable` without a daemon, `not-found` where none is kept.
 */
export async function saveCapture(
  daemon: Pick<AdminClient, 'capture'> | undefined,
  { mac, file, session }: CaptureArgs,
  { out, err }: CliOutput,
): Promise<void> {
  if (daemon === undefined) {
    throw new TinderboxError(
      'unavailable',
      'tinderbox is not running, and packets are kept in its memory only',
      {
        remedy: 'Start it, power the machine on, and ask again.',
      },
    );
  }
  const capture = await daemon.capture(mac, session);
  const { packets, from, to } = summarizePcap(capture);
  const count = `${packets} ${packets === 1 ? 'packet' : 'packets'}`;
  const when = from === undefined || to === undefined ? '' : ` from ${isoTime(from)} to ${isoTime(to)}`;
  if (file === '-') {
    await new Promise<void>((resolve, reject) => {
      process.stdout.write(capture, (error) => (error ? reject(error) : resolve()));
    });
    return err(`${count} of ${mac}${when}\n`);
  }
  try {
    await writeFile(file, capture);
  } catch (thrown) {
    const { code, message } = toTinderboxError(thrown);
    throw new TinderboxError(code, `${file} cannot be written: ${message}`, { cause: thrown });
  }
  out(`${file}: ${count} of ${mac}${when}\n`);
}

function isoTime(at: number): string {
  return new Date(at).toISOString();
}
