import { readFile } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { asOwnerOf } from '../as-owner-of.ts';
import type { Config } from '../config/port.ts';
import { readProxyEnvironment } from '../config/proxy-environment.ts';
import { readTerminalEnvironment } from '../config/terminal-environment.ts';
import { printable } from '../document/printable.ts';
import { TinderboxError } from '../errors.ts';
import { type HttpSource, type HttpTimes, openHttp } from '../images/http-get.ts';
import { makeFolder } from '../images/image-folder.ts';
import { createKeyRing, type KeyQuestion } from '../images/key-ring.ts';
import { planPull } from '../images/plan-pull.ts';
import { pullImage } from '../images/pull-image.ts';
import type { PullOptions } from '../images/pull-options.ts';
import { plainFingerprint } from '../images/read-keys.ts';
import { IMAGE_ARCHES, type ImageArch, type ImageVendor } from '../images/vendor.ts';
import { terminalAsker } from './ask.ts';
import { type CliContext, readConfig } from './context.ts';
import { createProgress, type Progress } from './draw-progress.ts';
import { usageError } from './exit.ts';
import { printPlan, printPulled } from './format-pull.ts';

const HELP = `
Fetches every file into a hidden folder, proves each (the vendor's OpenPGP signature, or the checksum of a signed list),
and only then makes the version usable, in one step; what is cut off goes on with the next call. The first time it shows
the vendor's key, to be compared and confirmed. Versions stay beside each other: see tinderbox assets use and prune.

Examples:
  $ sudo tinderbox assets pull flatcar
  $ sudo tinderbox assets pull flatcar --channel beta --arch arm64 --dry-run
  $ sudo tinderbox assets pull flatcar --version 4230.2.0 --mirror http://mirror.example.org/flatcar`;

export interface PullFlags {
  readonly channel?: string;
  readonly version?: string;
  readonly arch: ImageArch;
  readonly mirror?: string;
  readonly key?: string;
  readonly trust: readonly string[];
  readonly parallel: number;
  readonly use: boolean;
  readonly insecureChecksums?: boolean;
  readonly allowExpiredKey?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function addPullCommand(assets: Command, context: CliContext, vendors: readonly ImageVendor[]): void {
  assets
    .command('pull')
    .description("fetch a vendor's image, proven, and make it the current one")
    .argument('<image>', vendors.map(({ name }) => name).join(', '))
    .option('--channel <name>', 'default: the first one below')
    .option('--version <version>', 'default: the newest of the channel')
    .addOption(new Option('--arch <processor>', 'for which machines').choices(IMAGE_ARCHES).default('amd64'))
    .option('--mirror <url>', "a copy of the vendor's server, with its layout")
    .option('--key <file>', "the vendor's key, where its URL cannot be reached")
    .option('--trust <fingerprint...>', 'confirms a key without being asked', readFingerprint, [])
    .option('--parallel <number>', 'downloads at once', readParallel, 4)
    .option('--no-use', 'keep it beside the current version')
    .option('--insecure-checksums', 'take checksums that nobody signed over plain http, too')
    .option('--allow-expired-key', 'take what a key signed while it was valid')
    .option('--dry-run', 'print what would be fetched, and fetch the lists only')
    .option('--json', 'print what was done as JSON, and no progress')
    .addHelpText('after', () => `\nImages:\n${describeVendors(vendors)}${HELP}`)
    .action(async (name: string, flags: PullFlags, command: Command) => {
      const vendor = findVendor(name, flags, vendors);
      const config = await readConfig(command, context);
      const keyFile = flags.key === undefined ? undefined : await readKeyFile(flags.key);
      // Files are then whose the folder is: a service's, not root's.
      await asOwnerOf(config.paths.assets, () => runPull(config, vendor, flags, context, { keyFile }));
    });
}

export function describeVendors(vendors: readonly ImageVendor[]): string {
  return vendors
    .map(({ name, description, channels, arches, keys }) => {
      const proven = keys.length === 0 ? 'checksum only, over HTTPS' : 'signed';
      return `  ${name.padEnd(12)} ${description}\n  ${''.padEnd(12)} ${channels.join(', ')}; ${arches.join(', ')}; ${proven}\n`;
    })
    .join('');
}

function findVendor(
  name: string,
  { channel, arch, mirror }: PullFlags,
  vendors: readonly ImageVendor[],
): ImageVendor {
  const vendor = vendors.find((one) => one.name === name);
  if (vendor === undefined)
    throw usageError(`there is no image ${name}`, `One of: ${vendors.map((one) => one.name).join(', ')}.`);
  if (channel !== undefined && !vendor.channels.includes(channel))
    throw usageError(`${name} has no channel ${channel}`, `One of: ${vendor.channels.join(', ')}.`);
  if (!vendor.arches.includes(arch))
    throw usageError(`${name} has nothing for ${arch}`, `Only for: ${vendor.arches.join(', ')}.`);
  if (mirror !== undefined && !/^https?:\/\/[^/?#]+/.test(mirror))
    throw usageError(`--mirror ${mirror} is no http or https URL`);
  // It is not sent, and would stand in image.json, which machines may fetch.
  if (mirror !== undefined && URL.parse(mirror)?.username !== '')
    throw usageError('--mirror is no URL, or has a user and a password in it', 'Name it without them.');
  return vendor;
}

async function readKeyFile(file: string): Promise<Buffer> {
  return readFile(file).catch((cause: unknown) => {
    throw usageError(`--key ${file} cannot be read: ${(cause as Error).message}`);
  });
}

/** What tests put in the place of the world. */
export interface PullSurroundings {
  readonly keyFile?: Buffer | undefined;
  readonly times?: Partial<HttpTimes>;
  readonly retry?: { readonly tries?: number; readonly pause?: number };
  readonly confirm?: (question: KeyQuestion) => Promise<boolean>;
}

export async function runPull(
  config: Config,
  vendor: ImageVendor,
  flags: PullFlags,
  context: CliContext,
  { keyFile, times, retry = {}, confirm }: PullSurroundings = {},
): Promise<void> {
  const progress = createProgress({
    write: flags.json === true ? undefined : context.err,
    moves: process.stderr.isTTY && readTerminalEnvironment().moves,
    columns: process.stderr.columns ?? 80,
    now: () => performance.now(),
  });
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    await using http = await openHttp({
      ...(times === undefined ? {} : { times }),
      proxies: readProxyEnvironment(),
      onRedirect: oncePerHost((from, to) => progress.note(`${from} redirects to ${to}`)),
    });
    const options = optionsOf(config, vendor, flags, {
      http,
      progress,
      keyFile,
      confirm,
      retry,
      signal: stop.signal,
    });
    const plan = await planPull(options);
    if (flags.dryRun === true) return await printPlan(plan, options, flags, context);
    const pulled = await pullImage(plan, options);
    progress.close();
    printPulled(pulled, flags, context);
  } catch (thrown) {
    progress.close();
    if (!stop.signal.aborted) throw thrown;
    throw new TinderboxError('refused', 'stopped; what was fetched is kept', {
      remedy: 'The same command goes on where this one ended.',
    });
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

interface Parts {
  readonly http: HttpSource;
  readonly progress: Progress;
  readonly keyFile: Buffer | undefined;
  readonly confirm: PullSurroundings['confirm'];
  readonly retry: { readonly tries?: number; readonly pause?: number };
  readonly signal: AbortSignal;
}

function optionsOf(config: Config, vendor: ImageVendor, flags: PullFlags, parts: Parts): PullOptions {
  const { assets } = config.paths;
  const { http, progress, keyFile, signal } = parts;
  const now = new Date();
  const retry: PullOptions['retry'] = {
    ...parts.retry,
    signal,
    onRetry: ({ error }, pause) =>
      progress.note(`${printable(error.message, 300)}: trying again in ${Math.ceil(pause / 1000)} s`),
  };
  const mayAsk = flags.json !== true && process.stdin.isTTY && process.stderr.isTTY;
  const ring = createKeyRing({
    vendor,
    assets,
    http,
    retry,
    rules: { now, allowExpired: flags.allowExpiredKey === true },
    ...(keyFile === undefined ? {} : { keyFile }),
    trust: flags.trust,
    confirm: parts.confirm ?? (mayAsk ? askForKey : undefined),
    remember: async (write) => {
      await makeFolder(assets);
      await write();
    },
    onNote: progress.note,
  });
  return {
    vendor,
    request: {
      channel: flags.channel ?? vendor.channels[0] ?? '',
      ...(flags.version === undefined ? {} : { version: flags.version }),
      arch: flags.arch,
      mirror: (flags.mirror ?? vendor.mirror).replace(/\/+$/, ''),
    },
    assets,
    http,
    ring,
    parallel: flags.parallel,
    insecureChecksums: flags.insecureChecksums === true,
    keepBeside: !flags.use,
    now,
    retry,
    onProgress: progress.event,
  };
}

async function askForKey({ vendor, owner, fingerprint, source }: KeyQuestion): Promise<boolean> {
  const asker = terminalAsker();
  try {
    process.stderr.write(
      `\n${vendor} is signed with a key that was not confirmed on this host yet:\n  ${printable(owner)}\n  ${fingerprint}\n  from ${source}\nCompare it with what the vendor publishes elsewhere.\n`,
    );
    return await asker.confirm('Is this the key?', false);
  } finally {
    asker.close();
  }
}

function oncePerHost(say: (from: string, to: string) => void): (from: string, to: string) => void {
  const said = new Set<string>();
  return (from, to) => {
    const [one, other] = [new URL(from).host, new URL(to).host];
    if (one === other || said.has(`${one} ${other}`)) return;
    said.add(`${one} ${other}`);
    say(one, other);
  };
}

/** Of a version 4 key, or of a version 6 one. In groups of four it is one argument only if it is quoted. */
function readFingerprint(text: string, before: readonly string[]): readonly string[] {
  const fingerprint = plainFingerprint(text);
  if (/^(?:[0-9A-F]{40}|[0-9A-F]{64})$/.test(fingerprint)) return [...before, fingerprint];
  throw new InvalidArgumentError('Write all 40 hexadecimal digits of it, without spaces or in quotes.');
}

function readParallel(text: string): number {
  const count = /^\d{1,2}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > 16) throw new InvalidArgumentError('Write a number from 1 to 16.');
  return count;
}
