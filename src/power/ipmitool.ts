import { execFile } from 'node:child_process';
import { TinderboxError } from '../errors.ts';
import type { Ipmitool } from '../machine/power.ts';
import type { PowerOrder, PowerResult } from './port.ts';
import { printable } from './printable.ts';
import { readPassword } from './read-password.ts';

/**
 * In ms. A controller that does not say which cipher suites it knows, as OpenIPMI's simulator, costs ipmitool ten tries
 * before it begins.
 */
const PATIENCE = 60_000;

export interface IpmitoolOptions {
  /** `ipmitool` of the PATH unless told. */
  readonly program?: string;
  /** Absent: IPMI's own. */
  readonly port?: number;
  /** Absent: the best that both know, which it asks for. */
  readonly cipherSuite?: number;
}

/** By the program of that name. The password is in the file that it reads: never in an argument, which others see. */
export async function controlByIpmitool(
  settings: Ipmitool,
  { action, pxe, efi }: PowerOrder,
  options: IpmitoolOptions = {},
): Promise<PowerResult> {
  // Read here too, so that a file that others may read is refused, and a missing one named.
  await readPassword(settings.passwordFile);
  const chassis = (...words: readonly string[]): Promise<string> =>
    run(settings, ['chassis', ...words], options);
  const state = readState(await chassis('power', 'status'));
  if (action === 'status') return { ...(state && { state }), did: 'chassis power status', notes: [] };
  const notes: string[] = [];
  if (pxe && action !== 'off') {
    try {
      await chassis('bootdev', 'pxe', ...(efi ? ['options=efiboot'] : []));
    } catch (thrown) {
      // Its own boot order may well begin with the network.
      if (!(thrown instanceof TinderboxError) || thrown.code !== 'refused') throw thrown;
      notes.push(`its next boot could not be set to the network: ${thrown.message}`);
    }
  }
  // IPMI 2.0, 28.3: a cycle of a machine that is off is an error, or does nothing.
  const word = action === 'cycle' && state === 'off' ? 'on' : action;
  await chassis('power', word);
  return { ...(state && { state }), did: `chassis power ${word}`, notes };
}

function readState(text: string): 'on' | 'off' | undefined {
  const found = /Chassis Power is (on|off)/i.exec(text)?.[1]?.toLowerCase();
  return found === 'on' || found === 'off' ? found : undefined;
}

function run(settings: Ipmitool, words: readonly string[], options: IpmitoolOptions): Promise<string> {
  const { address, user, passwordFile } = settings;
  const argv = [
    // It says only then why a session was not made; keys it says only from -vv on.
    '-v',
    '-I',
    settings.interface,
    '-H',
    address,
    '-U',
    user,
    '-f',
    passwordFile,
    // Seconds that each try waits; its own one is short for a controller that is busy.
    '-N',
    '2',
    '-R',
    '2',
    ...(options.cipherSuite === undefined ? [] : ['-C', String(options.cipherSuite)]),
    ...(options.port === undefined ? [] : ['-p', String(options.port)]),
    ...words,
  ];
  return new Promise((resolve, reject) => {
    execFile(
      options.program ?? 'ipmitool',
      argv,
      { timeout: PATIENCE, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 },
      (error, stdout, stderr) => {
        if (error === null) resolve(stdout);
        else reject(explain(error, `${stderr}\n${stdout}`, settings));
      },
    );
  });
}

function explain(
  error: Error & { readonly code?: unknown; readonly killed?: boolean },
  said: string,
  { address, user, passwordFile }: Ipmitool,
): TinderboxError {
  const cause = new Error('ipmitool failed');
  if (error.code === 'ENOENT') {
    return new TinderboxError('not-found', 'ipmitool is not installed', {
      cause,
      remedy: 'Install it on this host: apt-get install ipmitool',
    });
  }
  // 2.0 with a wrong password; without a user of that name; 1.5.
  if (/RAKP 2 |unauthorized name|Activate Session command failed/i.test(said)) {
    return new TinderboxError('refused', `the management controller ${address} does not accept ${user}`, {
      cause,
      remedy: `See whether ${passwordFile} holds the password of ${user}, and whether IPMI over LAN is allowed to that user.`,
    });
  }
  if (error.killed === true || /Unable to establish/i.test(said)) {
    return new TinderboxError('unavailable', `the management controller ${address} does not answer IPMI`, {
      cause,
      remedy:
        'See whether it can be reached from this host (UDP 623), and whether IPMI over LAN is switched on.',
    });
  }
  const lines = said.split('\n').filter((line) => line.trim() !== '');
  return new TinderboxError('refused', `ipmitool: ${printable(lines.at(-1) ?? error.message, 200)}`, {
    cause,
  });
}
