import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../config/port.ts';
import { parseDuration } from '../document/parse-units.ts';
import { TinderboxError } from '../errors.ts';
import { MACHINE_KINDS, type MachineKind } from '../lab/machine-kinds.ts';
import type { CopiedInterface } from '../lab/rehearsal-network.ts';
import { requireTun, rerunInUserNamespace } from '../lab/user-namespace.ts';
import type { MachineFacts } from '../machine/facts.ts';
import { parseIpv4 } from '../machine/ipv4.ts';
import { STAGES, type Stage } from '../machine/stage.ts';
import { presentInterfaces } from '../preflight.ts';
import { type Rehearsal, rehearseMachine } from '../rehearse-machine.ts';
import { type CliContext, readConfig, requireMac } from './context.ts';
import { type ExitCode, usageError } from './exit.ts';
import { formatTimeline, plain } from './format-timeline.ts';
import { readKnownFacts } from './known-facts.ts';

const HELP = `
Boots a virtual machine with the machine's MAC, UUID, serial and firmware from a second daemon that has the same
tinderbox.yaml, profiles and assets, in a network of their own. The running daemon, its database and leases, and the real
network take no part. A machine of a cluster gets certificates of throw-away authorities, and is as far as it can be when
it has its configuration and reported. Needs QEMU (Debian: qemu-system-x86 ovmf ipxe ipxe-qemu seabios iproute2; for arm64
qemu-system-arm qemu-efi-aarch64, for uefi-x86 ovmf-ia32; in proxy mode dnsmasq-base), and root or user namespaces.
Rules with \`max\` count from zero.

Exit codes: 0 it came as far as it can here, 1 it did not, or could not be rehearsed, 2 wrong usage.

Examples:
  $ sudo tinderbox rehearse 52:54:00:12:34:56
  $ sudo tinderbox rehearse 52:54:00:12:34:56 --role controller --memory 4096 --screen    before it is assigned
  $ sudo tinderbox rehearse 52:54:00:12:34:56 --arch bios --until kernel`;

const KINDS: Readonly<Record<string, MachineKind>> = {
  bios: 'bios-rom',
  ...Object.fromEntries(MACHINE_KINDS.map((kind) => [kind, kind])),
};

interface RehearseFlags {
  readonly role?: string;
  readonly arch?: string;
  readonly interface?: string;
  readonly address?: string;
  readonly until?: Stage;
  readonly timeout: number;
  readonly memory: number;
  readonly kvm?: boolean;
  readonly screen?: boolean;
  readonly keep?: boolean;
  readonly json?: boolean;
}

export function addRehearseCommand(program: Command, context: CliContext): void {
  program
    .command('rehearse')
    .description('boot a virtual machine in the place of a real one')
    .argument('<mac>', 'the machine')
    .option('--role <role>', 'in this role, whatever machines.yaml says')
    .addOption(
      new Option('--arch <firmware>', 'its firmware (default: as it was last seen, else uefi-x64)').choices(
        Object.keys(KINDS),
      ),
    )
    .option('--interface <name>', 'where it is plugged in (default: where it was last heard, else the first)')
    .option('--address <address/prefix>', "in the place of the interface's, or where there is none")
    .addOption(new Option('--until <stage>', 'as far as this is enough').choices(STAGES))
    .option('--timeout <time>', 'how long it may take from power-on: 600 (seconds), 10m', readTimeout, 600)
    .option('--memory <MiB>', 'its memory', readMemory, 2048)
    .option('--kvm', "use the processor's virtualisation; without it everything is emulated")
    .option('--screen', 'print what its serial console shows')
    .option('--keep', 'leave the folder with both logs behind')
    .option('--json', 'print the outcome and the timeline as JSON; progress goes to stderr')
    .addHelpText('after', HELP)
    .action(async (macText: string, flags: RehearseFlags, command: Command) => {
      const mac = requireMac(macText);
      const config = await readConfig(command, context);
      if (config.dhcp.mode === 'off') {
        throw new TinderboxError('refused', 'dhcp.mode is off: nobody would tell the machine what to boot', {
          remedy: 'Another DHCP server does, which cannot be rehearsed; see tinderbox render.',
        });
      }
      await requireTun();
      if (process.getuid?.() !== 0) {
        const code = await rerunInUserNamespace();
        return code === 0 ? undefined : context.fail(code as ExitCode);
      }
      await rehearse(await readMachine(config, mac, flags), config, flags, context);
    });
}

interface Place {
  readonly facts: MachineFacts;
  readonly kind: MachineKind;
  readonly interfaces: readonly CopiedInterface[];
  readonly machineOn: string;
  readonly notes: readonly string[];
}

async function readMachine(config: Config, mac: MachineFacts['mac'], flags: RehearseFlags): Promise<Place> {
  const known = await readKnownFacts(config, mac);
  const { address: _address, relay, ...facts } = known.facts;
  const names = config.network.interfaces;
  const machineOn = flags.interface ?? names.find((name) => name === known.via) ?? names[0] ?? '';
  if (!names.includes(machineOn))
    throw usageError(`'${machineOn}' is none of network.interface: ${names.join(', ')}`);
  const given = flags.address === undefined ? undefined : readAddress(flags.address);
  const present = await presentInterfaces(config);
  const interfaces = names.flatMap((name): readonly CopiedInterface[] => {
    if (name === machineOn && given !== undefined) return [{ name, addresses: [given] }];
    const { addresses } = present.find((one) => one.name === name) ?? { addresses: [] };
    return addresses.length === 0 && name !== machineOn ? [] : [{ name, addresses }];
  });
  if (interfaces.find(({ name }) => name === machineOn)?.addresses.length === 0) {
    throw new TinderboxError('not-found', `${machineOn} is not there, or has no address`, {
      remedy: 'Say which it would have: --address 10.77.0.1/24.',
    });
  }
  if (machineOn === 'lo') throw usageError('network.interface is lo, where no machine can be plugged in');
  return {
    facts,
    kind: kindOf(facts, flags.arch),
    interfaces,
    machineOn,
    notes: [
      ...(known.unknown === undefined ? [] : [`without what is known of it: ${known.unknown.message}`]),
      ...(known.seen ? [] : [`${mac} was never seen: its UUID and serial are made up`]),
      ...(relay === undefined ? [] : [`it is behind a relay agent; here it is plugged into ${machineOn}`]),
    ],
  };
}

/** As it was seen. Throws TinderboxError `refused` for a processor that is not emulated here. */
export function kindOf(
  { arch, platform }: Pick<MachineFacts, 'arch' | 'platform'>,
  asked: string | undefined,
): MachineKind {
  const told = KINDS[asked ?? ''];
  if (told !== undefined) return told;
  switch (arch) {
    case undefined:
    case 'x86_64':
      return platform === 'pcbios' ? 'bios-rom' : 'uefi-x64';
    case 'x86':
      return platform === 'pcbios' ? 'bios-rom' : 'uefi-x86';
    case 'arm64':
      return 'uefi-arm64';
    case 'arm32':
    case 'riscv64':
    case 'loongarch64':
      throw new TinderboxError(
        'refused',
        `its processor is ${arch}: only x86 and arm64 machines can be rehearsed`,
        { remedy: 'Rehearse its role as another machine: --arch uefi-x64.' },
      );
    default:
      return arch satisfies never;
  }
}

async function rehearse(
  { notes, ...place }: Place,
  config: Config,
  flags: RehearseFlags,
  context: CliContext,
): Promise<void> {
  const { out, err } = context;
  const print = flags.json === true ? err : out;
  const started = Date.now();
  const say = (text: string): void => {
    const seconds = ((Date.now() - started) / 1000).toFixed(1).padStart(6);
    print(`${seconds} s  ${plain(text)}\n`);
  };
  const stop = new AbortController();
  const onSignal = (): void => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    for (const note of notes) say(note);
    const rehearsal = await rehearseMachine({
      ...place,
      config,
      ...(flags.role === undefined ? {} : { role: flags.role }),
      ...(flags.until === undefined ? {} : { until: flags.until }),
      patience: flags.timeout * 1000,
      memory: flags.memory,
      kvm: flags.kvm === true,
      tinderbox: [process.execPath, ...process.execArgv, process.argv[1] ?? ''],
      keep: flags.keep === true,
      signal: stop.signal,
      onProgress: say,
      onEvent({ stage, outcome, kind, asked, answered }) {
        if (kind === 'session.stalled') say(asked);
        else if (stage !== undefined) say(`${stage.padEnd(10)}  ${asked === '' ? kind : asked}`);
        else if (outcome === 'refused' || outcome === 'failed')
          say(`${outcome.padEnd(10)}  ${asked}: ${answered}`);
      },
      onConsole: flags.screen === true ? (line) => print(`          | ${plain(line)}\n`) : () => undefined,
    });
    if (rehearsal.verdict.kind === 'stopped') context.fail();
    out(flags.json === true ? `${JSON.stringify(toJson(place, rehearsal))}\n` : formatRehearsal(rehearsal));
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

function toJson({ facts, kind }: Pick<Place, 'facts' | 'kind'>, { verdict, took, ...rest }: Rehearsal) {
  return {
    mac: facts.mac,
    firmware: kind,
    ok: verdict.kind === 'reached',
    ...verdict,
    seconds: took / 1000,
    ...rest,
  };
}

export function formatRehearsal(rehearsal: Rehearsal): string {
  const { verdict, machine, session, events, took, folder } = rehearsal;
  const lines = ['', ...(machine === undefined ? ['Nothing was heard of the machine.', ''] : [])];
  if (machine !== undefined)
    lines.push(
      formatTimeline({ machine, events, ...(session === undefined ? {} : { session }) }, machine.lastSeen),
    );
  const seconds = `${(took / 1000).toFixed(1)} s`;
  if (verdict.kind === 'stopped') {
    if (rehearsal.console.length > 0)
      lines.push('Its screen, at the end:', ...rehearsal.console.map((line) => `  | ${plain(line)}`), '');
    const diagnosis = session?.stalled?.diagnosis;
    if (diagnosis !== undefined)
      lines.push(
        plain(`Diagnosis: ${diagnosis.title}`),
        ...diagnosis.evidence.map((one) => `  ${plain(one)}`),
        `  ${plain(diagnosis.remedy)}`,
        '',
      );
    lines.push(
      `NOT as far as it should, after ${seconds}: ${plain(verdict.reason)}`,
      `    ${plain(verdict.remedy)}`,
    );
  } else {
    lines.push(`As far as it can here, after ${seconds}: ${plain(verdict.reason)}`);
  }
  if (folder !== undefined) lines.push(`Logs and files: ${folder}`);
  return `${lines.join('\n')}\n`;
}

function readAddress(text: string) {
  const [addressText = '', prefixText = ''] = text.split('/');
  const address = parseIpv4(addressText);
  const prefix = /^\d{1,2}$/.test(prefixText) ? Number(prefixText) : 0;
  if (address === undefined || prefix < 1 || prefix > 30)
    throw usageError(`'${text}' is no address with the prefix of its network`, 'Write it as 10.77.0.1/24.');
  return { address, prefix };
}

function readTimeout(text: string): number {
  const seconds = parseDuration(text) ?? 0;
  if (seconds < 1 || seconds > 86_400) throw new InvalidArgumentError('Write a time up to 1d: 10m.');
  return seconds;
}

function readMemory(text: string): number {
  const size = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (size < 64 || size > 1_048_576) throw new InvalidArgumentError('Write mebibytes, from 64: 4096.');
  return size;
}
