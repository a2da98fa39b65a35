import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { chooseRole } from '../boot/choose-role.ts';
import type { Config } from '../config/port.ts';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import type { Catalog, Role } from '../machine/role.ts';
import { type MadeIso, makeIso } from '../make-iso.ts';
import { readIsoFolder, writeIso } from '../write-iso.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { reportFailure, usageError } from './exit.ts';
import { findDaemon } from './find-daemon.ts';
import { type KnownFacts, readKnownFacts } from './known-facts.ts';
import { readCatalog } from './read-catalog.ts';
import { requireDays } from './require-days.ts';

const HELP = `
For a machine that boots Container Linux, Flatcar or a system with cloud-init from a disk and cannot be booted from the network: its configuration
as a volume \`config-2\` with openstack/latest/user_data, which coreos-cloudinit finds by itself; of a role that is
nocloud, as a volume \`cidata\` with user-data and meta-data, which cloud-init finds by itself. The machine makes
its keys, and the image holds a token, from the running daemon, with which it may have them certified: once each,
until the token expires or a newer image is made of the machine. What the machine, or anybody in its name, boots from
the network changes nothing of that. Roles whose keys are issued have no token: with --key-days the image holds the
keys themselves. Runs on the master, as root or as the user that tinderbox runs as.

Examples:
  $ sudo tinderbox iso 52:54:00:12:34:56 --out node-7.iso
  $ sudo tinderbox iso 52:54:00:12:34:56 --key-days 30
  $ sudo tinderbox iso --all ./images
  $ xorriso -osirrox on -indev node-7.iso -extract / node-7
  $ tinderbox iso --from ./node-7 --out node-7.iso`;

const DEFAULT_TOKEN_DAYS = 7;
const MAX_TOKEN_DAYS = 30;

interface IsoFlags {
  readonly out?: string;
  readonly all?: string;
  readonly from?: string;
  readonly keyDays?: string;
  readonly tokenDays?: string;
  readonly json?: boolean;
}

export function addIsoCommand(program: Command, context: CliContext): void {
  program
    .command('iso')
    .description("a machine's configuration as an image, where it cannot be booted from the network")
    .argument('[mac]', 'the machine')
    .option('--out <file>', 'the image; default: <hostname>.iso')
    .option('--all <folder>', 'an image for every machine of machines.yaml, in this folder')
    .option('--from <folder>', 'make it from a folder that one was unpacked to')
    .option('--key-days <number>', 'put keys and certificates on it that are valid for so long, up to 365')
    .option(
      '--token-days <number>',
      `how long its token is good, up to ${MAX_TOKEN_DAYS}; default: ${DEFAULT_TOKEN_DAYS}`,
    )
    .option('--json', 'print what was made as JSON')
    .addHelpText('after', HELP)
    .action(async (macText: string | undefined, flags: IsoFlags, command: Command) => {
      const days = readUsage(macText, flags);
      if (flags.from !== undefined) return printFrom(flags.from, flags, context);
      const mac = macText === undefined ? undefined : requireMac(macText);
      const config = await readConfig(command, context);
      const catalog = await readCatalog(config);
      if (mac === undefined) return printAll(config, catalog, flags, days, context);
      const known = await readKnownFacts(config, mac);
      const made = await makeOne(config, catalog, known, days, context, (hostname) =>
        resolve(flags.out ?? `${hostname}.iso`),
      );
      context.out(flags.json === true ? `${JSON.stringify(made)}\n` : describe(made));
    });
}

interface Days {
  readonly keyDays?: number;
  readonly tokenDays: number;
}

function readUsage(mac: string | undefined, { out, all, from, keyDays, tokenDays }: IsoFlags): Days {
  const remedy = 'tinderbox iso --help has examples';
  if ([mac, all, from].filter((each) => each !== undefined).length !== 1) {
    throw usageError('give one of: a MAC, --all FOLDER, --from FOLDER', remedy);
  }
  if (all !== undefined && out !== undefined)
    throw usageError('--all names the images itself: leave out --out', remedy);
  if (from !== undefined && out === undefined)
    throw usageError('--from wants the image too: --out FILE', remedy);
  if (from !== undefined && (keyDays !== undefined || tokenDays !== undefined)) {
    throw usageError(
      '--from takes the configuration as it is: leave out --key-days and --token-days',
      remedy,
    );
  }
  if (keyDays !== undefined && tokenDays !== undefined) {
    throw usageError('--key-days and --token-days exclude each other', remedy);
  }
  const token = tokenDays === undefined ? DEFAULT_TOKEN_DAYS : requireDays('--token-days', tokenDays);
  if (token > MAX_TOKEN_DAYS) throw usageError(`--token-days is at most ${MAX_TOKEN_DAYS}`, remedy);
  return {
    tokenDays: token,
    ...(keyDays === undefined ? {} : { keyDays: requireDays('--key-days', keyDays) }),
  };
}

async function makeOne(
  config: Config,
  catalog: Catalog,
  { facts, holders, memory, unknown }: KnownFacts,
  { keyDays, tokenDays }: Days,
  context: CliContext,
  out: (hostname: string) => string,
): Promise<MadeIso> {
  if (unknown !== undefined) context.err(`without what is known of the machine: ${unknown.message}\n`);
  return await makeIso(config, catalog, {
    facts,
    holders,
    memory,
    out,
    ...(keyDays === undefined ? {} : { keyDays }),
    signingToken: async () => {
      const daemon = await findDaemon(config);
      if (daemon !== undefined) return await daemon.makeSigningToken({ mac: facts.mac, days: tokenDays });
      throw new TinderboxError('unavailable', 'tinderbox is not running, and it makes the token', {
        remedy:
          'Start it: sudo systemctl start tinderbox, or sudo tinderbox serve. Without a token keys must be on the image: --key-days 30.',
      });
    },
  });
}

/** One that cannot be made is said, and does not keep the others from being made. */
async function printAll(
  config: Config,
  catalog: Catalog,
  { all = '.', json }: IsoFlags,
  days: Days,
  context: CliContext,
): Promise<void> {
  const made: MadeIso[] = [];
  const skipped: { readonly mac: Mac; readonly role: string }[] = [];
  const failed: { readonly mac: Mac; readonly message: string }[] = [];
  if (catalog.machines.size === 0) {
    throw new TinderboxError('not-found', `${catalog.file} lists no machines`, {
      remedy: 'tinderbox assign MAC ROLE adds one.',
    });
  }
  for (const mac of catalog.machines.keys()) {
    try {
      const known = await readKnownFacts(config, mac);
      const { role } = chooseRole(known.facts, catalog, known.memory.uses);
      // One that waits, or boots its own disk, is no mistake among the others.
      if (role !== undefined && !goesOnImage(role)) {
        skipped.push({ mac, role: role.name });
        context.err(`${mac}: skipped, role ${role.name} has no configuration to put on an image\n`);
        continue;
      }
      const one = await makeOne(config, catalog, known, days, context, (hostname) =>
        join(resolve(all), `${hostname}.iso`),
      );
      made.push(one);
      if (json !== true) context.out(describe(one));
    } catch (thrown) {
      context.fail();
      failed.push({ mac, message: toTinderboxError(thrown).message });
      context.err(`${mac}: ${reportFailure(thrown, false).text}`);
    }
  }
  if (json === true) context.out(`${JSON.stringify({ made, skipped, failed }, null, 2)}\n`);
}

function goesOnImage({ config }: Role): boolean {
  return config?.format === 'cloud-config' || config?.format === 'nocloud';
}

async function printFrom(from: string, { out = '', json }: IsoFlags, context: CliContext): Promise<void> {
  const files = await readIsoFolder(resolve(from));
  const file = resolve(out);
  await writeIso(file, files);
  const holdsKeys = [...files.values()].some((content) => content.includes('PRIVATE KEY-----'));
  if (json === true) return context.out(`${JSON.stringify({ file, files: [...files.keys()], holdsKeys })}\n`);
  context.out(
    `${file}: made from ${from}.\n${holdsKeys ? 'This ISO holds private keys: who has it is that machine.\n' : ''}`,
  );
}

function describe(made: MadeIso): string {
  const { file, mac, hostname, role, holdsKeys, keysUntil, holdsToken, tokenUntil, notes } = made;
  const valid = keysUntil === undefined ? '' : `, valid until ${day(keysUntil)}`;
  const good = tokenUntil === undefined ? '' : `, good until ${day(tokenUntil)}`;
  return [
    `${file}: ${hostname} (${mac}), role ${role}.\n`,
    holdsKeys ? `This ISO holds private keys${valid}: who has it is that machine.\n` : '',
    holdsToken ? `This ISO holds a signing token${good}: who has it can become that machine, once.\n` : '',
    ...notes.map((note) => `- ${note}\n`),
  ].join('');
}

const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
