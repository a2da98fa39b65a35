import { TinderboxError } from '../errors.ts';
import { expandSettings, settingName } from './expand-settings.ts';

/**
 * A small iPXE: enough of its script language (https://ipxe.org/scripting, `core/exec.c`, `image/script.c`) to run
 * the scripts that Tinderbox serves. A command it does not know is an error that names the line, never skipped:
 * a script that real iPXE runs and this does not must be noticed.
 */
export interface IpxeHost {
  /** A setting's text (`mac`, `uuid`, `next-server`…), without its scope; undefined where it is not set. */
  setting(name: string): string | undefined;
  /** Runs DHCP again; false where it failed. */
  dhcp(): Promise<boolean>;
  /** Fetches a script; undefined where it failed (iPXE prints why and the command's status is an error). */
  fetchScript(url: string): Promise<string | undefined>;
  /** Fetches an image; false where it failed. */
  fetchImage(kind: 'kernel' | 'initrd', url: string): Promise<boolean>;
  echo(line: string): void;
  /** Milliseconds, as the script says them. */
  sleep(ms: number): Promise<void>;
}

export interface ScriptOutcome {
  /**
   * `booted`: the kernel was started. `disk`: the first disk was. `exited`: the script ended without. `failed`: a
   * command's failure ended it.
   */
  readonly kind: 'booted' | 'disk' | 'exited' | 'failed';
  /** Of `exit`, if it was what ended iPXE: the firmware sees whether it is 0. */
  readonly exitStatus?: number;
  /** The last command that failed, with its line. */
  readonly reason: string;
  /** The kernel's arguments, without its name. */
  readonly cmdline: string;
}

interface Run {
  readonly host: IpxeHost;
  /** What `set` set; shared by chained scripts, as in iPXE. */
  readonly variables: Map<string, string>;
  commands: number;
  kernel: boolean;
  cmdline: string;
  lastFailure: string;
  exitStatus: number | undefined;
}

/** How one command line ended; `left`: as its replacement failed, which it does not see. */
type Ended = 'ok' | 'failed' | 'left' | 'booted' | 'disk' | 'exited' | 'gave-up';
type Flow = Ended | { readonly goto: string };

/** More commands than any honest script runs: a loop that never sleeps its way to the time-out ends here. */
const COMMAND_LIMIT = 10_000;

/** Throws TinderboxError `refused` on a command, setting format or label that this interpreter does not know. */
export async function runIpxeScript(host: IpxeHost, url: string, text: string): Promise<ScriptOutcome> {
  const run: Run = {
    host,
    variables: new Map(),
    commands: 0,
    kernel: false,
    cmdline: '',
    lastFailure: '',
    exitStatus: undefined,
  };
  const flow = await runScript(run, url, text);
  const kind = flow === 'ok' ? 'exited' : flow === 'gave-up' || flow === 'left' ? 'failed' : flow;
  return {
    kind,
    reason: run.lastFailure,
    cmdline: run.cmdline,
    ...(run.exitStatus === undefined ? {} : { exitStatus: run.exitStatus }),
  };
}

async function runScript(run: Run, url: string, text: string): Promise<Ended> {
  if (!isScript(text)) {
    run.lastFailure = `${url} is no iPXE script: its first line is not #!ipxe`;
    run.host.echo(run.lastFailure);
    return 'failed';
  }
  const lines = text.replace(/\r/g, '').replace(/\\\n/g, ' ').split('\n');
  for (let index = 0; index < lines.length; index++) {
    const line = (lines[index] ?? '').trim();
    if (line === '' || line.startsWith('#') || line.startsWith(':')) continue;
    const flow = await runLine(run, { url, number: index + 1 }, line);
    if (flow === 'ok') continue;
    if (typeof flow === 'string') return flow;
    index = lines.findIndex((other) => other.trim() === `:${flow.goto}`);
    if (index < 0) throw refuse({ url, number: lines.indexOf(line) + 1 }, `there is no label :${flow.goto}`);
  }
  return 'ok';
}

function isScript(text: string): boolean {
  return /^#!ipxe\s*$/.test(text.split('\n', 1)[0] ?? '');
}

interface Place {
  readonly url: string;
  readonly number: number;
}

function refuse(place: Place, what: string): TinderboxError {
  return new TinderboxError('refused', `${place.url}:${place.number}: ${what}`, {
    remedy: 'use only what the virtual client knows, or try the script on real firmware',
  });
}

/** Commands joined by `||`, `&&` and `;`: each is run or skipped by the status of the last one that ran. */
async function runLine(run: Run, place: Place, line: string): Promise<Flow> {
  let command: string[] = [];
  let process = true;
  let status: Flow = 'ok';
  for (const word of [...line.split(/\s+/), ';']) {
    const separator = word === '||' || word === '&&' || word === ';';
    if (!separator) {
      command.push(word);
      continue;
    }
    if (process && command.length === 0) status = 'ok';
    if (process && command.length > 0) {
      // Whoever goes on after an `exit` of a script it chained has not left iPXE.
      run.exitStatus = undefined;
      if (++run.commands > COMMAND_LIMIT)
        throw refuse(place, `more than ${COMMAND_LIMIT} commands: the script loops`);
      status = await runCommand(run, place, command);
      // iPXE's own numbers are of no use here; scripts print it.
      if (status === 'failed') run.variables.set('errno', 'virtual');
      if (status === 'failed') run.lastFailure = `${place.url}:${place.number}: ${command.join(' ')}`;
      if (status !== 'ok' && status !== 'failed') return status;
    }
    command = [];
    process = word === ';' || (word === '||') === (status === 'failed');
  }
  return status;
}

async function runCommand(run: Run, place: Place, words: readonly string[]): Promise<Flow> {
  const valueOf = (setting: string): string => run.variables.get(setting) ?? run.host.setting(setting) ?? '';
  const [name = '', ...rest] = words.map((word) =>
    expandSettings(valueOf, (what) => refuse(place, what), word),
  );
  switch (name) {
    case 'set':
    case 'set!': {
      const [variable = '', ...value] = rest;
      run.variables.set(settingName(variable), value.join(' '));
      return 'ok';
    }
    case 'clear':
      run.variables.delete(settingName(rest[0] ?? ''));
      return 'ok';
    case 'inc': {
      const variable = settingName(rest[0] ?? '');
      const value = Number(run.variables.get(variable) ?? 0) + Number(rest[1] ?? 1);
      run.variables.set(variable, String(value));
      return 'ok';
    }
    case 'isset':
      return (rest[0] ?? '') === '' ? 'failed' : 'ok';
    case 'iseq':
      return rest[0] === rest[1] ? 'ok' : 'failed';
    case 'echo':
      run.host.echo(rest.filter((word, index) => index > 0 || word !== '-n').join(' '));
      return 'ok';
    case 'goto':
      return { goto: rest[0] ?? '' };
    case 'sleep':
      await run.host.sleep(Number(rest[0] ?? 0) * 1000);
      return 'ok';
    case 'dhcp':
    case 'ifconf':
      return (await run.host.dhcp()) ? 'ok' : 'failed';
    case 'imgfree':
      run.kernel = false;
      run.cmdline = '';
      return 'ok';
    // The virtual processor has every feature that a script may ask for, long mode above all.
    case 'cpuid':
    case 'ifopen':
    case 'ifclose':
    case 'ifstat':
    case 'imgstat':
    case 'show':
      return 'ok';
    case 'kernel':
    case 'imgselect':
    case 'initrd':
    case 'imgfetch':
    case 'module':
      return fetchImage(run, place, name, rest);
    case 'imgargs':
      run.cmdline = rest.slice(1).join(' ');
      return 'ok';
    case 'boot':
      return boot(run, place, rest);
    // Nobody is at its console: the time of a menu is over at once.
    case 'menu':
    case 'item':
      return 'ok';
    case 'choose': {
      const byDefault = rest[rest.indexOf('--default') + 1];
      if (!rest.includes('--default') || byDefault === undefined)
        throw refuse(place, '`choose` without a default');
      run.variables.set(settingName(rest.at(-1) ?? ''), byDefault);
      return 'ok';
    }
    case 'chain':
      return chain(run, place, rest);
    case 'sanboot':
      return sanboot(place, rest);
    case 'exit':
      run.exitStatus = Number(rest[0] ?? '0');
      if (run.exitStatus === 0) return 'exited';
      run.lastFailure = `${place.url}:${place.number}: exit ${rest.join(' ')}`;
      return 'failed';
    case 'shell':
    case 'reboot':
    case 'poweroff':
      run.lastFailure = `${place.url}:${place.number}: the script gave up with \`${name}\``;
      run.host.echo(run.lastFailure);
      return 'gave-up';
    default:
      throw refuse(place, `iPXE command \`${name}\` is not one that the virtual client knows`);
  }
}

/** Options may stand before the URL; `--name x`, `-n x` and `--timeout x` take a value. */
function splitOptions(args: readonly string[]): {
  readonly options: readonly string[];
  readonly rest: readonly string[];
} {
  const options: string[] = [];
  let index = 0;
  while (index < args.length && (args[index] ?? '').startsWith('-')) {
    const option = args[index++] ?? '';
    options.push(option);
    if (['--name', '-n', '--timeout', '-t'].includes(option)) index++;
  }
  return { options, rest: args.slice(index) };
}

function resolveUrl(place: Place, url: string): string {
  try {
    return new URL(url, place.url).href;
  } catch {
    throw refuse(place, `\`${url}\` is no URL`);
  }
}

async function fetchImage(run: Run, place: Place, name: string, args: readonly string[]): Promise<Flow> {
  const { rest } = splitOptions(args);
  const [url, ...imageArgs] = rest;
  if (url === undefined) throw refuse(place, `\`${name}\` without a URL`);
  const kernel = name === 'kernel' || name === 'imgselect';
  if (!(await run.host.fetchImage(kernel ? 'kernel' : 'initrd', resolveUrl(place, url)))) return 'failed';
  if (kernel) {
    run.kernel = true;
    run.cmdline = imageArgs.join(' ');
  }
  return 'ok';
}

async function boot(run: Run, place: Place, args: readonly string[]): Promise<Flow> {
  const { rest } = splitOptions(args);
  if (rest.length > 0 && /[/:]/.test(rest[0] ?? '')) {
    const fetched = await fetchImage(run, place, 'kernel', args);
    if (fetched !== 'ok') return fetched;
  }
  return run.kernel ? 'booted' : 'failed';
}

/** The machine has a disk, and it boots. */
function sanboot(place: Place, args: readonly string[]): Flow {
  const drive = args.indexOf('--drive');
  const others = args.filter((_word, index) => index !== drive && index !== drive + 1);
  const isFirstDisk = drive !== -1 && Number(args[drive + 1]) === 0x80;
  if (isFirstDisk && others.every((word) => word === '--no-describe')) return 'disk';
  throw refuse(place, '`sanboot` is known as `sanboot --no-describe --drive 0x80` only');
}

async function chain(run: Run, place: Place, args: readonly string[]): Promise<Flow> {
  const { options, rest } = splitOptions(args);
  const target = rest[0];
  if (target === undefined) throw refuse(place, '`chain` without a URL');
  const url = resolveUrl(place, target);
  const text = await run.host.fetchScript(url);
  if (text === undefined) return 'failed';
  const flow = await runScript(run, url, text);
  if (flow === 'booted' || flow === 'disk' || flow === 'gave-up') return flow;
  // iPXE ends the script before it starts its replacement (`image_cmd.c`): no `||` after it is ever run.
  if (isScript(text) && (options.includes('--replace') || options.includes('-r')))
    return flow === 'ok' ? 'exited' : flow === 'failed' ? 'left' : flow;
  return flow === 'failed' || flow === 'left' ? 'failed' : 'ok';
}
