/** `npm run demo`: one virtual diskless machine, from power-on to `booted`. */
import { parseArgs } from 'node:util';
import { toTinderboxError } from '../errors.ts';
import type { MachineKind } from './machine-kinds.ts';
import { MACHINE_KINDS } from './machine-kinds.ts';
import { needsGrub, prepareDemo, runDemo } from './run-demo.ts';
import { requireTun, rerunInUserNamespace } from './user-namespace.ts';

/** Nobody builds a loader for 32-bit UEFI, and the GRUB that Debian 12 signs knows no HTTP. */
const WITHOUT_LOADER: readonly MachineKind[] = ['uefi-x86', 'uefi-x64-secure-http'];
const KINDS: Readonly<Record<string, MachineKind>> = {
  bios: 'bios-rom',
  ...Object.fromEntries(
    MACHINE_KINDS.filter((kind) => !WITHOUT_LOADER.includes(kind)).map((kind) => [kind, kind]),
  ),
};
const MODES = ['server', 'proxy'] as const;

const HELP = `Boots a virtual diskless machine from Tinderbox, in a network of its own.

  npm run demo -- [--arch uefi-x64|bios|...] [--mode server|proxy] [--kvm]

  --arch   the machine's firmware: uefi-x64 (the default); bios: a BIOS whose ROM loads undionly.kpxe;
           bios-ipxe: a BIOS whose ROM is iPXE; uefi-x64-http: UEFI HTTP boot, without TFTP; uefi-x64-secure: Secure
           Boot is on, and Debian's signed shim, GRUB and kernel boot; uefi-arm64, uefi-arm64-http: an arm64 machine,
           by GRUB
  --mode   server: Tinderbox gives the address (the default); proxy: another DHCP server does
  --kvm    use the processor's virtualisation (also TINDERBOX_KVM=1); without it everything is emulated

Example: npm run demo -- --arch bios --mode proxy
`;

process.exitCode = await main().catch((thrown: unknown) => {
  const error = toTinderboxError(thrown);
  console.error(`\nnot booted: ${error.message}`);
  if (error.remedy !== undefined) console.error(`    ${error.remedy.replaceAll('\n', '\n    ')}`);
  return 1;
});

async function main(): Promise<number> {
  const options = readArguments();
  if (options === 'help') {
    console.log(HELP);
    return 0;
  }
  if (typeof options === 'string') {
    console.error(`${options}\n\n${HELP}`);
    return 2;
  }
  if (options.mode === 'proxy' && needsGrub(options.kind)) {
    console.error(`GRUB asks the server that gave the address: --arch ${options.kind} needs --mode server`);
    return 2;
  }
  const image = await prepareDemo({ ...options, log });
  await requireTun();
  if (process.getuid?.() !== 0) {
    log('not root: using a user namespace');
    return rerunInUserNamespace();
  }
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  process.once('SIGINT', abort);
  process.once('SIGTERM', abort);
  await runDemo(image, { ...options, log, signal: stop.signal });
  process.off('SIGINT', abort);
  process.off('SIGTERM', abort);
  return 0;
}

function log(line: string): void {
  console.log(line);
}

interface Arguments {
  readonly kind: MachineKind;
  readonly mode: (typeof MODES)[number];
  readonly kvm: boolean;
}

/** What is wrong as text, or `help`. */
function readArguments(): Arguments | string {
  try {
    const { values } = parseArgs({
      options: {
        arch: { type: 'string', default: 'uefi-x64' },
        mode: { type: 'string', default: 'server' },
        kvm: { type: 'boolean', default: process.env['TINDERBOX_KVM'] === '1' },
        help: { type: 'boolean', default: false },
      },
    });
    if (values.help) return 'help';
    const kind = KINDS[values.arch];
    const mode = MODES.find((known) => known === values.mode);
    if (kind === undefined) return `--arch ${values.arch} is none of ${Object.keys(KINDS).join(', ')}`;
    if (mode === undefined) return `--mode ${values.mode} is none of ${MODES.join(', ')}`;
    return { kind, mode, kvm: values.kvm };
  } catch (error) {
    return (error as Error).message;
  }
}
