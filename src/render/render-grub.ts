import type { Labels, MachineFacts } from '../machine/facts.ts';
import type { BootContext } from './context.ts';
import {
  type GrubPlace,
  type GrubTransport,
  grubArguments,
  grubPath,
  grubText,
  grubWord,
} from './grub-text.ts';
import { type BootFilesAt, renderBootFilesAt, urlAt } from './render-boot-files.ts';
import { grubMenuLines } from './render-grub-menu.ts';
import type { MachineScriptInput } from './render-script.ts';
import { FAILED_SECONDS, labelQuery, whoLines } from './script-lines.ts';

/**
 * GRUB's configurations, beside iPXE's scripts (render-script.ts). They hold for Debian's signed GRUB 2.06 and 2.12:
 *
 * - the bootstrap is a loop that sources the machine's own script, which returns to it after a wait, a refusal or a failure:
 *   one that chained to the next would nest them on GRUB's stack;
 * - `source` of what is not there is no error (seen), so that a script says by a variable that it came;
 * - `test -e` is false for every file of a network (seen);
 * - GRUB sends a path as it is (seen): a space in it would end the request, so that the query is escaped by GRUB itself;
 * - no script reboots. Only a machine that boots its own disk leaves GRUB.
 */

/** Between the tries of a machine that gets no script. */
const RETRY_SECONDS = 10;

/** What SMBIOS calls them: the type of the structure, the offset of the string in it. */
const SMBIOS_STRINGS = [
  ['serial', 1, 7],
  ['asset', 3, 8],
  ['manufacturer', 1, 4],
  ['product', 1, 5],
] as const;

/** Characters that GRUB writes as they are into the query, and those that it escapes. Others are left out. */
const PLAIN = '[-A-Za-z0-9._:(),@*]';
const ESCAPED: readonly (readonly [character: string, code: string])[] = [
  [' ', '%20'],
  ['#', '%23'],
  ['%', '%25'],
  ['&', '%26'],
  ['+', '%2B'],
  ['/', '%2F'],
  ['=', '%3D'],
];

/**
 * For `grub.cfg`, by TFTP and HTTP: finds out who the machine is, and asks `/grub.cfg?mac=…` for ever. Over HTTP first,
 * since TFTP is slow; a GRUB without HTTP says so on its screen, and goes on.
 */
export function grubBootstrap(place: GrubPlace): string {
  const ask = (transport: GrubTransport): string =>
    `source "${grubPath('/grub.cfg', transport, place)}?$tinderbox_query"`;
  return configuration([
    `echo`,
    `echo ${grubText(`server ${place.url}`)}`,
    `set tinderbox_loop=1`,
    // One started from a disk or a medium has no address yet.
    `if [ -z "$net_default_mac" ]; then net_dhcp; fi`,
    ...escapeFunction(),
    ...SMBIOS_STRINGS.flatMap(([name, type, offset]) => [
      `set tinderbox_${name}=`,
      `smbios --type ${type} --get-string ${offset} --set tinderbox_${name}`,
    ]),
    `set tinderbox_uuid=`,
    `smbios --type 1 --get-uuid 8 --set tinderbox_uuid`,
    // SMBIOS has none where firmware or the module is missing: not worth a word on the screen.
    `set tinderbox_query="mac=$net_default_mac&arch=$grub_cpu&platform=$grub_platform&uuid=$tinderbox_uuid$tinderbox_labels"`,
    ...SMBIOS_STRINGS.flatMap(([name]) => [
      `tinderbox_escape "$tinderbox_${name}"`,
      `set tinderbox_query="$tinderbox_query&${name}=$tinderbox_escaped"`,
    ]),
    `echo "Tinderbox: $net_default_mac asks what to boot"`,
    `while true; do`,
    `  set tinderbox_answer=`,
    `  ${ask('http')}`,
    `  if [ -z "$tinderbox_answer" ]; then ${ask('tftp')}; fi`,
    `  if [ -z "$tinderbox_answer" ]; then`,
    `    echo ${grubText(`no script from ${place.url}. Trying again in ${RETRY_SECONDS} s`)}`,
    `    sleep ${RETRY_SECONDS}`,
    `  fi`,
    `done`,
  ]);
}

/**
 * One character after the other: GRUB has no other way to replace any. Behind an x, since `regexp` takes a text that begins
 * with a hyphen for an option.
 */
function escapeFunction(): readonly string[] {
  return [
    `function tinderbox_escape {`,
    `  set tinderbox_escaped=`,
    `  set tinderbox_rest="$1"`,
    `  while regexp --set 1:tinderbox_char --set 2:tinderbox_rest '^x(.)(.*)$' "x$tinderbox_rest"; do`,
    `    if regexp '^x${PLAIN}$' "x$tinderbox_char"; then set tinderbox_escaped="$tinderbox_escaped$tinderbox_char"`,
    ...ESCAPED.map(
      ([character, code]) =>
        `    elif [ "$tinderbox_char" = '${character}' ]; then set tinderbox_escaped="$tinderbox_escaped${code}"`,
    ),
    `    fi`,
    `  done`,
    `}`,
  ];
}

export interface GrubScriptInput extends MachineScriptInput {
  readonly transport: GrubTransport;
}

/**
 * For `/grub.cfg?mac=…` where the machine is to boot. Throws TinderboxError `invalid-template` as machineScript does,
 * and where GRUB cannot do what the role says.
 */
export function grubMachineScript({ role, context, hostname, transport }: GrubScriptInput): string {
  const place = context.server;
  const name = `${context.machine.mac} is ${hostname}, role ${role.name}`;
  const labels = tellAgain(context.machine.labels);
  if (role.boot.kind === 'menu') {
    return configuration([
      ANSWER,
      ...labels,
      ...grubMenuLines({ menu: role.boot, who: name, place, transport }),
    ]);
  }
  const who = `echo ${grubText(name)}`;
  if (role.boot.kind === 'local') return configuration([ANSWER, ...labels, `echo`, who, ...bootDisk(place)]);
  const places = renderBootFilesAt(role, context);
  if (places === undefined) throw new TypeError(`role ${role.name} boots nothing: it waits`);
  return configuration([
    ANSWER,
    ...labels,
    `echo`,
    who,
    ...places.flatMap((one, index) => [
      ...(index === 0 ? [] : [`echo ${grubText(`that failed. Going on with ${one.url}`)}`]),
      ...loadLines(one, context, transport),
    ]),
    `echo ${grubText(`the boot failed. Asking again in ${FAILED_SECONDS} s`)}`,
    ...askAgain(place, FAILED_SECONDS),
  ]);
}

/** All of one place; what fails goes on below. */
function loadLines(
  { url, files }: BootFilesAt,
  context: BootContext,
  transport: GrubTransport,
): readonly string[] {
  const isHere = url === context.server.url;
  const path = (each: string) =>
    grubWord(grubPath(isHere ? each : urlAt(each, url, context), transport, context.server));
  const kernel = ['linux', path(files.kernel), ...grubArguments(files.cmdline)].join(' ');
  const initrd = files.initrd.length === 0 ? undefined : ['initrd', ...files.initrd.map(path)].join(' ');
  return [
    loading('the kernel', [files.kernel]),
    `if ${kernel}; then`,
    ...(initrd === undefined
      ? [`  boot`]
      : [`  ${loading('the initrd', files.initrd)}`, `  if ${initrd}; then boot; fi`]),
    `fi`,
  ];
}

function loading(what: string, paths: readonly string[]): string {
  return `echo ${grubText(`loading ${what} ${paths.join(' ')}`)}`;
}

/** What a GRUB that got any answer knows it by. */
const ANSWER = `set tinderbox_answer=1`;

/**
 * Where firmware's own boot order has the disk's loader: the vendors' before the one for removable media, which a
 * vendor's shim may have put there to restore the others. GRUB's `exit` alone would tell firmware that all went well, and EDK2 then
 * shows its menu instead of its next boot option.
 */
const DISK_LOADERS = [
  ...['debian', 'ubuntu', 'fedora', 'redhat', 'centos', 'rocky', 'almalinux', 'opensuse', 'sles'].flatMap(
    (vendor) => [`/EFI/${vendor}/shimx64.efi`, `/EFI/${vendor}/shimaa64.efi`, `/EFI/${vendor}/shim.efi`],
  ),
  '/EFI/systemd/systemd-bootx64.efi',
  '/EFI/Microsoft/Boot/bootmgfw.efi',
  '/EFI/BOOT/BOOTX64.EFI',
  '/EFI/BOOT/BOOTAA64.EFI',
];

function bootDisk(place: GrubPlace): readonly string[] {
  return [
    `for tinderbox_loader in ${DISK_LOADERS.join(' ')}; do`,
    `  set tinderbox_disk=`,
    `  search --no-floppy --file --set=tinderbox_disk "$tinderbox_loader"`,
    `  if [ -n "$tinderbox_disk" ]; then`,
    `    echo "Tinderbox: booting ($tinderbox_disk)$tinderbox_loader"`,
    `    if chainloader "($tinderbox_disk)$tinderbox_loader"; then boot; fi`,
    `  fi`,
    `done`,
    `echo ${grubText('no loader on a disk: leaving GRUB, so that the firmware goes on with its next boot option')}`,
    `exit 1`,
    ...askAgain(place, FAILED_SECONDS),
  ];
}

/** As waitScript: its screen says who it is, and it asks again. */
export function grubWaitScript(input: {
  readonly place: GrubPlace;
  readonly transport: GrubTransport;
  readonly message: string;
  readonly facts: MachineFacts;
  readonly seconds: number;
  readonly isBrief?: boolean;
  readonly choice?: string | undefined;
}): string {
  return configuration([
    ANSWER,
    `echo`,
    `echo ${grubText(input.message)}`,
    ...(input.isBrief === true ? [] : whoLines(input.facts).map((line) => `echo ${grubText(line)}`)),
    ...tellAgain(input.facts.labels),
    ...(input.choice === undefined
      ? askAgain(input.place, input.seconds)
      : askWithChoice(input.place, input.transport, input.seconds, input.choice)),
  ]);
}

/**
 * The entry of a menu that asked would lead back to the menu. So the first of these scripts asks on, and those that it
 * gets say so and return to it: a machine that waits for long does not nest them.
 */
function askWithChoice(
  place: GrubPlace,
  transport: GrubTransport,
  seconds: number,
  choice: string,
): readonly string[] {
  const ask = `"${grubPath('/grub.cfg', transport, place)}?$tinderbox_query&choice=${encodeURIComponent(choice)}"`;
  return [
    `echo ${grubText(`asking again in ${seconds} s`)}`,
    `sleep ${seconds}`,
    `set tinderbox_again=1`,
    `if [ -z "$tinderbox_asks" ]; then`,
    `  set tinderbox_asks=1`,
    `  while [ -n "$tinderbox_again" ]; do`,
    `    set tinderbox_again=`,
    `    source ${ask}`,
    `  done`,
    `  set tinderbox_asks=`,
    `fi`,
  ];
}

/** As refusalScript: the screen says why; an operator's edit ends it. */
export function grubRefusalScript(input: {
  readonly place: GrubPlace;
  readonly message: string;
  readonly seconds: number;
  /** Told again with the next question. */
  readonly labels?: Labels | undefined;
}): string {
  return configuration([
    ANSWER,
    `echo`,
    `echo ${grubText(input.message)}`,
    ...tellAgain(input.labels),
    ...askAgain(input.place, input.seconds),
  ]);
}

/** An operator's own GRUB has told labels, which its next question must have: without them it may be another role's. */
function tellAgain(labels: Labels | undefined): readonly string[] {
  const pairs = labelQuery(labels);
  return pairs.length === 0 ? [] : [`set tinderbox_labels=${grubWord(`&${pairs.join('&')}`)}`];
}

/** Back to the loop of the bootstrap; into it, where an operator's own GRUB asked for this script at once. */
function askAgain(place: GrubPlace, seconds: number): readonly string[] {
  return [
    `echo ${grubText(`asking again in ${seconds} s`)}`,
    `sleep ${seconds}`,
    `if [ -z "$tinderbox_loop" ]; then source ${grubWord(grubPath('/grub.cfg', 'http', place))}; fi`,
    `if [ -z "$tinderbox_loop" ]; then source ${grubWord(grubPath('/grub.cfg', 'tftp', place))}; fi`,
  ];
}

function configuration(lines: readonly string[]): string {
  return [...lines, ''].join('\n');
}
