import type { Labels, MachineFacts } from '../machine/facts.ts';
import type { Role } from '../machine/role.ts';
import type { BootContext } from './context.ts';
import { echoText } from './ipxe-text.ts';
import { type BootFilesAt, renderBootFilesAt, urlAt } from './render-boot-files.ts';
import { menuScript } from './render-menu.ts';
import { askAgain, askUrl, FAILED_SECONDS, labelQuery, script, whoLines } from './script-lines.ts';

/**
 * iPXE scripts (https://ipxe.org/scripting). They hold for the iPXE of 2019 in QEMU's ROMs as for 2.x:
 *
 * - a command that fails ends a script, and then firmware boots the next device: every one that may fail has a `||`;
 * - `chain --replace` leaves the old script for good, so that a machine that waits for days does not nest them;
 * - no script ends or reboots: it starts a kernel, or says what is wrong, waits and asks again. The one exception is
 *   a machine that boots its own disk under UEFI;
 * - URLs are absolute: in proxy mode `${next-server}` may be the router (seen).
 *
 * None of these functions escapes `url`: it is the daemon's own.
 */

/** Between the tries of a machine that cannot fetch its script; the last one holds for all that follow. */
const BACK_OFF_SECONDS = [5, 10, 20, 30] as const;

/**
 * For `GET /boot.ipxe`: finds out who the machine is and goes on to `/ipxe`. `url` has no trailing slash; `syslog` is the
 * address that takes iPXE's console; `labels` are sent along.
 */
export function bootstrapScript(input: BootstrapScriptInput): string {
  // The same for a whole rack, which asks for it at once. A host has a few addresses.
  if (input.labels !== undefined) return makeBootstrapScript(input);
  const key = `${input.syslog ?? ''} ${input.url}`;
  const known = bootstraps.get(key);
  if (known !== undefined) return known;
  if (bootstraps.size >= BOOTSTRAPS) bootstraps.clear();
  const text = makeBootstrapScript(input);
  bootstraps.set(key, text);
  return text;
}

export interface BootstrapScriptInput {
  readonly url: string;
  readonly syslog?: string;
  readonly labels?: Labels | undefined;
}

const BOOTSTRAPS = 64;
const bootstraps = new Map<string, string>();

function makeBootstrapScript({ url, syslog, labels }: BootstrapScriptInput): string {
  const [shortest] = BACK_OFF_SECONDS;
  // From the longest down, so that one failure makes one step.
  const longer = BACK_OFF_SECONDS.slice(1)
    .map((seconds, index) => `iseq \${wait} ${BACK_OFF_SECONDS[index]} && set wait ${seconds} ||`)
    .toReversed();
  return script([
    // Also a build that DHCP's option 7 did not reach, in proxy mode say. One without syslog has a setting of no use then.
    ...(syslog === undefined ? [] : [`set syslog ${syslog} ||`]),
    `echo`,
    `echo Tinderbox at ${url}`,
    `set wait ${shortest}`,
    ``,
    `:address`,
    `isset \${netX/ip} && goto identify ||`,
    `echo Tinderbox: this machine has no address yet, asking DHCP for one`,
    `dhcp && goto identify ||`,
    `echo Tinderbox: no answer from DHCP, error \${errno}. Trying again in \${wait} s`,
    `sleep \${wait} ||`,
    ...longer,
    `goto address`,
    ``,
    `:identify`,
    // A BIOS build calls itself i386 whatever the processor; bit 29 of CPUID 8000_0001h is long mode.
    `set arch \${buildarch}`,
    `iseq \${buildarch} i386 || goto ask`,
    // Not every build has `cpuid`. Without it nothing is claimed, and the server goes by what DHCP showed.
    `cpuid 0 || clear arch ||`,
    `cpuid --ext 29 && set arch x86_64 ||`,
    ``,
    `:ask`,
    `echo Tinderbox: \${netX/mac} asks what to boot`,
    `chain --replace --autofree ${askUrl(url, labelQuery(labels))} ||`,
    `echo Tinderbox: no script from ${url}, error \${errno}. Trying again in \${wait} s`,
    `sleep \${wait} ||`,
    ...longer,
    `goto address`,
  ]);
}

export interface MachineScriptInput {
  readonly role: Role;
  readonly context: BootContext;
  readonly hostname: string;
}

/**
 * For `/ipxe` where the machine is to boot: kernel, initrds, command line; or its own disk; or what a person chooses. Throws TinderboxError
 * `invalid-template` where the role's boot block does not render, or where a value in it would become a command.
 */
export function machineScript({ role, context, hostname }: MachineScriptInput): string {
  if (role.boot.kind === 'local') return localScript({ role, context, hostname });
  if (role.boot.kind === 'menu') return menuScript({ menu: role.boot, role: role.name, context, hostname });
  const places = renderBootFilesAt(role, context);
  if (places === undefined) throw new TypeError(`role ${role.name} boots nothing: it waits`);
  return script([
    `echo`,
    `echo Tinderbox: ${echoText(`${context.machine.mac} is ${hostname}, role ${role.name}`)}`,
    `imgfree ||`,
    ...places.flatMap((place, index) => {
      const next = places[index + 1];
      if (next === undefined) return loadLines(place, context, 'failed');
      return [
        ...loadLines(place, context, `place${index + 1}`),
        ``,
        `:place${index + 1}`,
        `echo Tinderbox: failed: \${what}, error \${errno}`,
        `echo Tinderbox: going on with ${next.url}`,
        `imgfree ||`,
      ];
    }),
    ``,
    `:failed`,
    `echo Tinderbox: failed: \${what}, error \${errno}`,
    ...askAgain(context.server.url, context.machine.arch, FAILED_SECONDS, context.machine.labels),
  ]);
}

/** All of one place; what fails goes to the label `failed`. */
function loadLines(
  { url, files: { kernel, initrd, cmdline } }: BootFilesAt,
  context: BootContext,
  failed: string,
): readonly string[] {
  const names = initrd.map((_path, index) => `initrd${index}`);
  // EFI-stub kernels load the initrds that their command line names (seen); a BIOS kernel gets them all regardless.
  const words = [...names.map((name) => `initrd=${name}`), ...cmdline];
  const kernelUrl = urlAt(kernel, url, context);
  return [
    ``,
    `set what the kernel ${kernelUrl}`,
    `kernel ${[kernelUrl, ...words].join(' ')} || goto ${failed}`,
    ...initrd.flatMap((path, index) => {
      const initrdUrl = urlAt(path, url, context);
      return [
        ``,
        `set what the initrd ${initrdUrl}`,
        `initrd --name ${names[index]} ${initrdUrl} || goto ${failed}`,
      ];
    }),
    ``,
    `set what starting the kernel`,
    `boot || goto ${failed}`,
  ];
}

/**
 * The machine's own disk. BIOS: `sanboot` runs the first disk's boot sector and stays in charge if there is none
 * (https://ipxe.org/cmd/sanboot). UEFI: what is to be booted stands in the firmware's boot order, which iPXE cannot
 * see, so it leaves with an error. A boot option that returns EFI_SUCCESS makes the boot manager stop there and show
 * its menu (UEFI specification 2.10, 3.1.1); after an error it tries the next one. Firmware that has no next one asks
 * the network again by itself, if at all.
 */
function localScript({ role, context, hostname }: MachineScriptInput): string {
  return script([
    `echo`,
    `echo Tinderbox: ${echoText(`${context.machine.mac} is ${hostname}, role ${role.name}`)}`,
    `imgfree ||`,
    `iseq \${platform} efi && goto firmware ||`,
    `echo Tinderbox: booting the first disk of this machine`,
    `sanboot --no-describe --drive 0x80 || goto failed`,
    ``,
    `:failed`,
    `echo Tinderbox: failed: booting the first disk, error \${errno}`,
    ...askAgain(context.server.url, context.machine.arch, FAILED_SECONDS, context.machine.labels),
    ``,
    `:firmware`,
    `echo Tinderbox: leaving iPXE, so that the firmware goes on with its next boot option: the disk`,
    `exit 1`,
  ]);
}

export interface WaitScriptInput {
  readonly url: string;
  readonly message: string;
  readonly facts: MachineFacts;
  /** How long the message stands before the machine asks again. */
  readonly seconds: number;
  /** Who it is stands on its screen already. */
  readonly isBrief?: boolean;
  /** What was chosen from a menu: it asks again with it, and sees no menu again. */
  readonly choice?: string | undefined;
}

/** For `/ipxe` where the machine is not admitted yet, or not its turn: its screen says so and who it is, and it asks again. */
export function waitScript({ url, message, facts, seconds, isBrief, choice }: WaitScriptInput): string {
  return script([
    `echo`,
    `echo Tinderbox: ${echoText(message)}`,
    ...(isBrief === true ? [] : whoLines(facts).map((line) => `echo Tinderbox: ${echoText(line)}`)),
    ...askAgain(url, facts.arch ?? '', seconds, facts.labels, choice),
  ]);
}

export interface RefusalScriptInput {
  readonly message: string;
  readonly url: string;
  readonly seconds: number;
  /** It asks again with them. */
  readonly labels?: Labels | undefined;
}

/** For `/ipxe` where the answer is no, or where we failed: the screen says why; an operator's edit ends it. */
export function refusalScript({ message, url, seconds, labels }: RefusalScriptInput): string {
  return script([`echo`, `echo Tinderbox: ${echoText(message)}`, ...askAgain(url, '', seconds, labels)]);
}
