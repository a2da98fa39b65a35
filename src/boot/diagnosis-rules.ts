import type { BootEvent } from '../machine/event.ts';
import type { BootSession } from '../machine/session.ts';
import { type Stage, stageReached } from '../machine/stage.ts';
import { COMES_FROM_MIRROR } from './choose-mirrors.ts';
import type { DiagnosisCase } from './diagnosis-case.ts';
import { offersBoot, tell } from './session-trace.ts';

/**
 * Why a boot does not go on: the table, in one file whatever its length, since its order is half of what it says. The
 * first rule that matches is the diagnosis. First come those that saw somebody say no, then those that see a loop, then
 * those that read a silence, then what is honestly not known.
 */
export interface DiagnosisRule {
  /** Kebab-case, stable: docs/diagnoses.md, metrics and operators' notes have it. */
  readonly name: string;
  /** What is the case, in a few words: it stands in lists, after "stalled:". */
  readonly title: string;
  /** What that means, for docs/diagnoses.md. */
  readonly meaning: string;
  /** What to do. `{mac}`, `{role}`, … are filled in (boot/diagnose-session.ts has which). */
  readonly remedy: string;
  /** What was seen, if this is the case; else undefined. */
  readonly when: (known: DiagnosisCase) => readonly string[] | undefined;
}

/** A ROM that listens sends four (EDK2: `secs` 0, 4, 12, 28); three without an answer of its own are no accident. */
const UNCLAIMED = 3;
/** Sessions in a row that ended at one stage, this one not counted. */
export const LOOP_SESSIONS = 3;
/** A machine that was in use for longer was not in a loop. In ms. */
const LOOP_LENGTH = 30 * 60_000;

/** A boot that was replaced by the next one soon: one round of a loop, if there are more. */
export function isShort({ end, openedAt, endedAt = openedAt }: BootSession): boolean {
  return end === 'superseded' && endedAt - openedAt < LOOP_LENGTH;
}

/** iPXE's ENOEXEC (0x2e), EPERM (0x41) and EPLATFORM (0x7f); the last also of a card, so only where it starts something. */
const NOT_STARTED =
  /exec format error|operation not permitted|access denied|security violation|ipxe\.org\/(err\/)?(2e|41)[0-9a-f]{4}|could not (boot|select|start)[^]*ipxe\.org\/(err\/)?7f/i;
/** As wire-cluster.ts says it. */
const OF_EARLIER_BOOT = ' is not of this boot';

const BEFORE_SCRIPT: readonly Stage[] = ['discovered', 'offered', 'firmware'];
const BEFORE_LOADER: readonly Stage[] = ['discovered', 'offered'];
const LOADING: readonly Stage[] = ['script', 'kernel'];
const BEFORE_CONFIG: readonly Stage[] = ['script', 'kernel', 'initrd'];

const is = ({ session }: DiagnosisCase, stages: readonly Stage[]): boolean => stages.includes(session.stage);

/** Evidence, if there is any. */
function seen(...texts: readonly (string | undefined | false)[]): readonly string[] | undefined {
  const found = texts.filter((text): text is string => typeof text === 'string' && text !== '');
  return found.length === 0 ? undefined : found;
}

const isShim = (event: BootEvent | undefined): boolean => /\bshim[a-z0-9]*\.efi/i.test(event?.asked ?? '');
/** Of GRUB's own file, and of its question for a script. */
const isGrubs = (asked: string): boolean => /\bgrub[a-z0-9]*\.(efi|cfg)/i.test(asked);

const tellIf = (event: BootEvent | undefined): string | undefined =>
  event === undefined ? undefined : tell(event);

const says = (event: BootEvent | undefined, pattern: RegExp): boolean =>
  event?.reasons.some((reason) => pattern.test(reason)) === true;

/** The last event of a list, if it is a no (or our own fault) whose reasons match. */
function refusal(
  events: readonly BootEvent[],
  outcome: 'refused' | 'failed',
  pattern = /^/,
): readonly string[] | undefined {
  const last = events.at(-1);
  if (last?.outcome !== outcome) return undefined;
  return pattern.test(last.reasons.join('\n')) || pattern.test(last.answered) ? seen(tell(last)) : undefined;
}

/** A line of its console, the newest that matches. */
function onConsole({ trace }: DiagnosisCase, pattern: RegExp): readonly string[] | undefined {
  const line = trace.console.findLast((text) => pattern.test(text));
  return line === undefined ? undefined : seen(`its console says: ${line}`);
}

/** Where it was sent for its kernel, if not here, and did not come back from. */
function mirrorOf({ trace }: DiagnosisCase): string | undefined {
  const reasons = trace.scripts.findLast(({ outcome }) => outcome === 'answered')?.reasons ?? [];
  if (trace.assets.length > 0) return undefined;
  return reasons.find((reason) => COMES_FROM_MIRROR.test(reason));
}

/** No file of ours was asked for by whatever runs on the machine. */
function fetchedNothing({ trace }: DiagnosisCase): boolean {
  const { tftpReads, tftpRefused, loaders, bootScripts, scripts } = trace;
  return [tftpReads, tftpRefused, loaders, bootScripts, scripts].every(({ length }) => length === 0);
}

const ipxeIsUp = ({ trace }: DiagnosisCase): boolean =>
  trace.ipxeDiscovers.length + trace.ipxeRequests.length > 0;

const times = (count: number): string => (count === 1 ? 'once' : `${count} times`);

/** Of one question for a boot that was answered with a no, or in server mode with an address alone. */
function bootRefused(known: DiagnosisCase, pattern: RegExp): readonly string[] | undefined {
  const { lastBootQuestion: last } = known.trace;
  if (!is(known, BEFORE_SCRIPT) || last === undefined || offersBoot(last)) return undefined;
  // Its last reason may be about the address, which it did get.
  const why = last.reasons.find((reason) => pattern.test(reason));
  return why === undefined ? undefined : seen(tell({ ...last, reasons: [why] }));
}

const ranOff = (text: string): boolean => /took no byte|closed the connection/.test(text);

/** What came of the file that the machine needs next, if that went wrong. */
function assetTrouble(
  known: DiagnosisCase,
  stage: 'script' | 'kernel',
  outcome: 'refused' | 'failed',
  pattern: RegExp,
): readonly string[] | undefined {
  if (known.session.stage !== stage) return undefined;
  const last = known.trace.assets.at(-1);
  if (last?.outcome !== outcome) return undefined;
  if (!pattern.test(last.answered) && !says(last, pattern)) return undefined;
  return seen(tell(last), ...known.daemon.missingAssets);
}

export const DIAGNOSIS_RULES: readonly DiagnosisRule[] = [
  // Somebody said what is wrong.
  {
    name: 'machine-reported-failure',
    title: 'the machine says that its boot failed',
    meaning: 'The running system posted `stage=failed` to its report URL, with the end of its log.',
    remedy:
      'Mend what the log says: most often a program or an image that is not below /assets, or a disk that is not there. What failed is tried again by the machine itself; see it with: tinderbox machines {mac} --follow',
    when({ session, trace }) {
      if (session.failedAt === undefined) return undefined;
      if (session.failedAt < (session.stageTimes[session.stage] ?? 0)) return undefined;
      const report = trace.reports.findLast(({ reasons }) =>
        reasons.some((reason) => /boot failed/.test(reason)),
      );
      const log = report?.reasons.filter((reason) => reason.startsWith('log: ')) ?? [];
      return seen('it reported stage=failed', ...log.slice(-3)) ?? [];
    },
  },
  {
    name: 'kernel-panic',
    title: 'the kernel panicked',
    meaning: 'The machine sent the message of a kernel panic to the syslog receiver.',
    remedy:
      'The line says which part of the kernel it was. "Unable to mount root fs" or "No working init": the initrd is not the one of this kernel, or did not fit into memory. Compare both in profiles/{role}/role.yaml, and give the machine more memory (Flatcar: 3 GB).',
    when: (known) =>
      stageReached(known.session.stage, 'kernel')
        ? onConsole(known, /kernel panic|not syncing|unable to mount root/i)
        : undefined,
  },
  {
    name: 'node-of-another-name',
    title: 'its kubelet registers under another name',
    meaning: 'A Node looks like this machine, but has the name of none or of another one.',
    remedy:
      'The Node has to be called {hostname}: remove --hostname-override from the kubelet, or set hostname: for {mac} in machines.yaml; then kubectl delete node of the wrong name.',
    when({ session, daemon: { cluster } }) {
      if (session.lastStage !== 'ready' || !stageReached(session.stage, 'config')) return undefined;
      return cluster === undefined ? undefined : seen(...cluster.lookalikes.slice(0, 3));
    },
  },
  {
    name: 'node-not-ready',
    title: 'its Node is not Ready',
    meaning:
      'The kubelet registered, and says itself why it is not ready. Most often no pod network runs on the Node.',
    remedy:
      'kubectl describe node {hostname}. "cni plugin not initialized": start a pod network (add-on flannel). On the machine: journalctl -u kubelet -e',
    when({ session, trace }) {
      const last = trace.nodes.at(-1);
      if (session.lastStage !== 'ready' || last?.kind !== 'node.not-ready') return undefined;
      return last.asked.endsWith(OF_EARLIER_BOOT) ? undefined : seen(...last.reasons.slice(0, 3), last.asked);
    },
  },
  {
    name: 'node-of-earlier-boot',
    title: 'its Node is the one of an earlier boot',
    meaning:
      'There is a Node of this name, but with the boot ID of a boot before: the kubelet of this boot has not registered.',
    remedy:
      'On the machine: journalctl -u kubelet -e. If its certificate is refused there: kubectl delete node {hostname}, and restart the kubelet.',
    when({ session, trace }) {
      const last = trace.nodes.at(-1);
      if (session.lastStage !== 'ready' || last?.kind !== 'node.not-ready') return undefined;
      return last.asked.endsWith(OF_EARLIER_BOOT) ? seen(last.asked, ...last.reasons.slice(0, 3)) : undefined;
    },
  },
  {
    name: 'cluster-unreachable',
    title: 'the API server cannot be asked for its Node',
    meaning:
      'The machine has booted. Whether its Node is Ready is not known, since the API server is away or refuses Tinderbox.',
    remedy:
      'See that cluster.apiServer of tinderbox.yaml answers from here (curl -k its /livez), and what the log of the part cluster says: journalctl -u tinderbox -g cluster',
    when({ session, daemon: { cluster } }) {
      if (session.stage !== 'booted' || cluster?.problem === undefined) return undefined;
      return seen(cluster.problem);
    },
  },
  {
    name: 'certificate-refused',
    title: 'its certificate request is refused',
    meaning:
      'The machine asked for a certificate, and was told no: it asks for names that it is not entitled to, or for a second key.',
    remedy:
      'Compare what it asks for with what stands in the reason. Give the machine its hostname: and address: in machines.yaml; after "second key" power it off and on.',
    when: ({ session, trace }) =>
      session.stage === 'config' || session.stage === 'initrd'
        ? refusal(trace.signings, 'refused')
        : undefined,
  },
  {
    name: 'config-does-not-render',
    title: 'its configuration does not render',
    meaning:
      'The machine asked for its configuration and got an error 500, since the template of its role fails for it.',
    remedy:
      'Mend the template of profiles/{role} at the place that is named; tinderbox render {mac} shows what would be served. The machine asks again by itself, or after: tinderbox power cycle {mac}',
    when: (known) => (is(known, BEFORE_CONFIG) ? refusal(known.trace.configs, 'failed') : undefined),
  },
  {
    name: 'config-fetched-twice',
    title: 'its configuration was asked for twice, or by another address',
    meaning:
      'A configuration with keys is released once. Who asks again, or from a second address, is refused and raises an alarm.',
    remedy:
      'Power the machine off and on: a new boot has new keys. If it did not fetch its configuration twice itself, somebody else has its keys: docs/security.md, "Alarms".',
    when({ session, trace }) {
      if (stageReached(session.stage, 'booted')) return undefined;
      const second = /^(it was released|it is being released)/;
      const refused = trace.configs.findLast((event) => event.outcome === 'refused' && says(event, second));
      if (refused === undefined) return undefined;
      const first = trace.configs.find(({ outcome }) => outcome === 'answered');
      return seen(
        tell(refused),
        first !== undefined && `first ${first.answered}`,
        tellIf(trace.alarms.at(-1)),
      );
    },
  },
  {
    name: 'config-other-address',
    title: 'its system has another address than iPXE had',
    meaning:
      'http.strictAddress is on, and the configuration was asked for from another address than the one that fetched the script.',
    remedy:
      'Give the machine a fixed address (tinderbox.yaml dhcp.mode: server, or address: for {mac} in machines.yaml), or set http.strictAddress: false.',
    when: (known) =>
      is(known, BEFORE_CONFIG) ? refusal(known.trace.configs, 'refused', /strictAddress/) : undefined,
  },
  {
    name: 'config-expired',
    title: 'its configuration was asked for too late',
    meaning:
      'The URL in its kernel arguments is of a session that has expired or was replaced by a newer one.',
    remedy:
      'Reboot the machine, so that it gets a new URL. If it needs more time from its script to its configuration: raise http.sessionTime in tinderbox.yaml.',
    when: (known) =>
      is(known, BEFORE_CONFIG)
        ? refusal(
            known.trace.configs,
            'refused',
            /http\.sessionTime|a newer boot of this machine|was set back/,
          )
        : undefined,
  },
  {
    name: 'config-refused',
    title: 'its configuration is refused',
    meaning: 'The machine asked for its configuration and was told no, for the reason that stands there.',
    remedy:
      'See the reason. "not admitted any more", "role has changed": power it off and on. "has no config": remove {{configUrl}} from cmdline in profiles/{role}/role.yaml. "is nocloud, not cloud-config" and the like: cmdline names {{configUrl}} for another system than the role\'s format is for; docs/dialects.md has which.',
    when: (known) => (is(known, BEFORE_CONFIG) ? refusal(known.trace.configs, 'refused') : undefined),
  },
  {
    name: 'once-spent',
    title: 'its `once:` did not succeed, and is not tried again by itself',
    meaning:
      'Three boots of the role that machines.yaml has it boot once did not report success, or the database that knew is lost. It waits on its screen: to wipe a disk once more is for a person to say.',
    remedy:
      'See why the boots before failed: tinderbox machines {mac} --session N. Then: tinderbox assign {mac} ROLE --once; or --no-once, to boot what it is without.',
    when: ({ trace }) =>
      refusal(trace.scripts, 'refused', /once: [^:]*: .*(did not report success|is not known)/),
  },
  {
    name: 'not-admitted',
    title: 'it is not admitted',
    meaning:
      'iPXE asked for its script and was told no: no role, not listed, or a name that another machine has. It goes on asking.',
    remedy:
      'Give it a role: tinderbox assign {mac} ROLE. Where two machines claim one name: boot the other one under its new name, or tinderbox forget it. It asks again within 30 seconds, by itself.',
    when: (known) => (is(known, BEFORE_SCRIPT) ? refusal(known.trace.scripts, 'refused') : undefined),
  },
  {
    name: 'script-does-not-render',
    title: 'its script does not render',
    meaning:
      'iPXE asked for its script, and kernel, initrd or cmdline of the role do not render for this machine.',
    remedy:
      'Mend boot: in the role.yaml that is named; tinderbox render {mac} --only script shows what would be served. It asks again by itself.',
    when: (known) => (is(known, BEFORE_SCRIPT) ? refusal(known.trace.scripts, 'failed') : undefined),
  },
  {
    name: 'left-the-queue',
    title: 'it waited for its turn to load, and asks no more',
    meaning:
      'It was told on its screen that it waits for its turn, and has not asked again for two minutes: it was turned off or reset, or lost its network.',
    remedy:
      'Look at its screen. Power it off and on; it then waits anew, behind the others. To let it be the next: tinderbox queue first {mac}',
    when(known) {
      const last = known.trace.scripts.at(-1);
      const waited = last?.outcome === 'noted' && /^waits for its turn|^it is the next/.test(last.answered);
      return is(known, BEFORE_SCRIPT) && waited ? seen(tell(last), 'nothing was asked since') : undefined;
    },
  },
  {
    name: 'kernel-out-of-memory',
    title: 'it has too little memory for its image',
    meaning:
      'iPXE says on its console that kernel or initrd do not fit into memory. They lie there twice while the system starts.',
    remedy:
      'Give the machine more memory (Flatcar: 3 GB, more for what runs on it), or its role a smaller image in profiles/{role}/role.yaml.',
    when: (known) =>
      is(known, BEFORE_CONFIG)
        ? onConsole(
            known,
            /out of memory|not enough (memory|space)|no space left|ENOMEM|ENOSPC|ipxe\.org\/(err\/)?(31|34)[0-9a-f]{4}/i,
          )
        : undefined,
  },
  {
    name: 'image-not-started',
    title: 'iPXE does not start its image',
    meaning:
      'The files came whole, and iPXE or the firmware refuses to run the kernel: it is no kernel for this machine, or Secure Boot forbids it.',
    remedy:
      'See that boot.kernel of profiles/{role}/role.yaml is a kernel for {arch} (file KERNEL says so). "Operation not permitted", "Access denied", "Security": switch Secure Boot off in the firmware setup, or use a signed kernel.',
    when: (known) => (is(known, BEFORE_CONFIG) ? onConsole(known, NOT_STARTED) : undefined),
  },
  {
    name: 'kernel-missing',
    title: 'its kernel is not there',
    meaning: 'iPXE has its script and was refused the kernel (404), as often as it asked.',
    remedy:
      'Put the file where the evidence says, or correct boot.kernel in profiles/{role}/role.yaml; tinderbox check lists all that is missing. The machine tries again by itself.',
    when: (known) => assetTrouble(known, 'script', 'refused', /^/),
  },
  {
    name: 'initrd-missing',
    title: 'its initrd is not there',
    meaning: 'iPXE has its kernel and was refused an initrd (404).',
    remedy:
      'Put the file where the evidence says, or correct boot.initrd in profiles/{role}/role.yaml; tinderbox check lists all that is missing. The machine tries again by itself.',
    when: (known) => assetTrouble(known, 'kernel', 'refused', /^/),
  },
  {
    name: 'kernel-download-aborted',
    title: 'the download of its kernel broke off',
    meaning:
      'The kernel began to come, and the machine closed the connection or took no more bytes: out of memory, a bad cable, or somebody reset it.',
    remedy:
      'Look at its screen. "Out of memory": more memory, or a smaller image. Else look for lost packets (ip -s link show {interface}, the switch port) and for an MTU that the switch does not pass (dhcp.mtu).',
    when: (known) => assetTrouble(known, 'script', 'failed', /took no byte|closed the connection/),
  },
  {
    name: 'initrd-download-aborted',
    title: 'the download of its initrd broke off',
    meaning:
      'The initrd began to come, and the machine closed the connection or took no more bytes: out of memory most often, since it is the largest file.',
    remedy:
      'Look at its screen. "Out of memory": more memory, or a smaller image. Else look for lost packets (ip -s link show {interface}, the switch port) and for an MTU that the switch does not pass (dhcp.mtu).',
    when: (known) => assetTrouble(known, 'kernel', 'failed', /took no byte|closed the connection/),
  },
  {
    name: 'asset-unreadable',
    title: 'a file of its image cannot be served',
    meaning: 'The file is there, but it cannot be read, or it is being written in place again and again.',
    remedy:
      'Make it readable for the user that Tinderbox runs as (chmod a+r), and replace files by renaming (mv), never by writing into them.',
    when(known) {
      const last = known.trace.assets.at(-1);
      if (!is(known, LOADING) || last?.outcome !== 'failed' || last.reasons.some(ranOff)) return undefined;
      return seen(tell(last));
    },
  },
  {
    name: 'loader-not-found',
    title: 'its firmware asks for a file that is not served',
    meaning:
      'TFTP was asked for a name that there is no file for: one that another server told, or a name that firmware mangled.',
    remedy:
      'If the name is not one of tinderbox.yaml loaders:, another DHCP server named it: take its boot file away (option 67, filename). If it is, put the file into assets/ipxe.',
    when({ session, trace }) {
      if (!BEFORE_LOADER.includes(session.stage) || trace.loaders.length > 0 || trace.tftpReads.length > 0)
        return undefined;
      return seen(tellIf(trace.tftpRefused.at(-1)));
    },
  },
  {
    name: 'architecture-unsupported',
    title: 'there is no loader for its firmware',
    meaning: 'The machine says which architecture its firmware is, and no loader is configured for that one.',
    remedy:
      'Put an iPXE built for {arch} into assets/ipxe and name it in tinderbox.yaml: loaders: { {arch}: FILE }. A 64-bit loader does not run on 32-bit firmware.',
    when: (known) => bootRefused(known, /no loader is configured|no known architecture/),
  },
  {
    name: 'loader-missing',
    title: 'the loader for its firmware is missing',
    meaning: 'A loader is configured for its architecture, and the file is not there.',
    remedy:
      'For a BIOS and UEFI x64 install the package ipxe (apt install ipxe). For {arch} else put a loader that is built for it into assets/ipxe, GRUB for instance, and name it in tinderbox.yaml: loaders: { {arch}: FILE }. 64-bit programs do not run on 32-bit firmware. tinderbox check says which files are found.',
    when: (known) => bootRefused(known, /is missing: put it into/),
  },
  {
    name: 'address-pool-exhausted',
    title: 'no address is free for it',
    meaning: 'The range of its network is used up, so that it gets no offer.',
    remedy:
      'Enlarge dhcp.range in tinderbox.yaml, or shorten dhcp.leaseTime, and restart: systemctl restart tinderbox',
    when: (known) => bootRefused(known, /no address is free in/),
  },
  {
    name: 'no-subnet',
    title: 'its network is not configured',
    meaning:
      'It asks through a relay agent, or on an interface, whose network no subnet of tinderbox.yaml covers.',
    remedy: 'Add the network under dhcp.subnets in tinderbox.yaml, and restart: systemctl restart tinderbox',
    when: (known) => bootRefused(known, /no subnet is configured/),
  },
  {
    name: 'not-known',
    title: 'it is not listed, and gets no address',
    meaning: 'dhcp.knownOnly is on, and machines.yaml has no entry for this machine.',
    remedy: 'Give it an entry: tinderbox assign {mac} ROLE; or set dhcp.knownOnly: false.',
    when: (known) => bootRefused(known, /dhcp\.knownOnly/),
  },
  {
    name: 'address-not-confirmed',
    title: 'it asks for an address that it may not have',
    meaning:
      'Its REQUEST was answered with a NAK, or not at all: the address is taken, outside the range, or could not be written down.',
    remedy:
      'See the reason. "could not be written": the disk of paths.state (df, and the log of the part store). "reserved", "is bound by": compare address: in machines.yaml with tinderbox machines.',
    when(known) {
      const { lastBootQuestion: last } = known.trace;
      if (known.daemon.mode !== 'server' || last?.kind !== 'dhcp.request') return undefined;
      // An ACK without a boot file confirms the address: why there is none is another rule's to say.
      if (last.answered.startsWith('ACK')) return undefined;
      return bootRefused(known, /^(?!it chose another DHCP server)/);
    },
  },
  {
    name: 'loader-of-wrong-architecture',
    title: 'its loader is built for another architecture',
    meaning:
      'The file that its firmware is given is a program for another kind of machine: firmware loads it and does not start it.',
    remedy:
      'Give {arch} a loader of its own in tinderbox.yaml: loaders: { {arch}: FILE }, with FILE in assets/ipxe. UEFI x64 runs x86_64 EFI programs only, a BIOS only .kpxe and .pxe files.',
    when({ session, trace, daemon: { loader } }) {
      const { firmware } = trace;
      if (session.stage !== 'firmware' || firmware === undefined || loader?.builtFor === undefined)
        return undefined;
      const wanted = firmware.firmware === 'bios' ? 'bios' : firmware.arch;
      if (loader.builtFor === wanted) return undefined;
      return seen(
        `${loader.file} is a program for ${loader.builtFor}; this firmware is ${firmware.label}`,
        tellIf(trace.loaders.at(-1)),
        trace.romReturns > 0 && `its ROM came back ${times(trace.romReturns)} after it`,
      );
    },
  },

  {
    name: 'second-loader-missing',
    title: 'its shim asks for a GRUB that is not there',
    meaning:
      'A shim loads the next program from where it came from itself: grubx64.efi or grubaa64.efi, which is neither in assets/ipxe nor installed.',
    remedy:
      'Install the package grub-efi-amd64-signed (grub-efi-arm64-signed for arm64), or put the file that the evidence names into assets/ipxe: a GRUB, or an iPXE, that is signed with a key that the shim knows.',
    when(known) {
      const { loaders, events } = known.trace;
      if (known.session.stage !== 'firmware' || !isShim(loaders.at(-1))) return undefined;
      const missing = events.findLast(
        ({ kind, outcome, asked }) =>
          (kind === 'tftp.read' || kind === 'http.asset') &&
          outcome === 'refused' &&
          /grub[a-z0-9]*\.efi/i.test(asked),
      );
      return seen(tellIf(missing));
    },
  },

  // It goes round and round.
  {
    name: 'loader-loop',
    title: 'its loader does not start, and the ROM asks again',
    meaning:
      'The ROM fetched the loader whole, again and again, and no iPXE ever answered. After five times it is left alone for ten minutes.',
    remedy:
      "Secure Boot may refuse it: give its role secureBoot: true (profiles/ROLE/role.yaml), or switch Secure Boot off in the firmware setup. Else try the other loader: tinderbox.yaml loaders: { {arch}: ipxe.efi } (iPXE's own drivers) instead of snponly.efi, for a BIOS undionly.kpxe instead of ipxe.pxe.",
    when({ session, trace }) {
      if (!BEFORE_SCRIPT.includes(session.stage) || trace.loaders.length === 0) return undefined;
      const stopped = trace.events.findLast((event) => says(event, /^boot loop:/));
      if (trace.romReturns < 2 && stopped === undefined) return undefined;
      return seen(
        `the loader was fetched whole ${times(trace.loaders.length)}, and the ROM came back ${times(trace.romReturns)}`,
        stopped?.reasons.find((reason) => reason.startsWith('boot loop:')),
        tellIf(trace.loaders.at(-1)),
      );
    },
  },
  {
    name: 'secure-boot-refuses-loader',
    title: 'maybe Secure Boot: its loader came whole, and the firmware asks again',
    meaning:
      'UEFI firmware fetched a loader that Microsoft did not sign, such as iPXE, did not start it ("Access Denied", "Security Violation" on its screen), and came back. DHCP does not show whether Secure Boot is on.',
    remedy:
      'Give its role `secureBoot: true` (profiles/ROLE/role.yaml; docs/firmware.md says what must be signed), or tinderbox.yaml for all machines; or switch Secure Boot off in the firmware setup.',
    when({ session, trace }) {
      const last = trace.loaders.at(-1);
      if (session.stage !== 'firmware' || trace.romReturns === 0 || trace.bootScripts.length > 0)
        return undefined;
      if (trace.firmware?.firmware !== 'uefi' || trace.loaders.some(isShim)) return undefined;
      return seen(
        tellIf(last),
        `its ROM came back ${times(trace.romReturns)}, and neither iPXE nor GRUB said a word`,
      );
    },
  },
  {
    name: 'kernel-refused',
    title: 'GRUB fetches its kernel, and does not start it',
    meaning:
      'GRUB asked for its script again after the kernel had come whole: it does not take it. Under Secure Boot it starts only a kernel that is signed with a key that the firmware or the shim knows.',
    remedy:
      'Read its screen: "bad shim signature" is Secure Boot: use a signed kernel (Debian\'s, Ubuntu\'s, Fedora\'s; docs/firmware.md), or switch Secure Boot off. "invalid magic number": the file is no kernel of its architecture.',
    when({ session, trace }) {
      if (session.stage !== 'kernel') return undefined;
      const kernel = trace.assets.find(({ stage }) => stage === 'kernel');
      const again = trace.scripts.findLast(
        ({ at, asked }) => at > (kernel?.at ?? Infinity) && isGrubs(asked),
      );
      return again === undefined ? undefined : seen(tellIf(kernel), tell(again));
    },
  },
  {
    name: 'boot-loop',
    title: 'it starts over and over, and never gets further',
    meaning:
      'Several boots in a row ended at the same stage, each replaced by the next one: the system crashes, a watchdog resets it, or somebody does.',
    remedy:
      'Look at its screen or serial console just before it resets (add console=ttyS0 and panic=0 to cmdline in profiles/{role}/role.yaml, so that a panic stays). Switch off a hardware watchdog in the firmware setup.',
    when({ session, former }) {
      const last = former.slice(0, LOOP_SESSIONS);
      const isLoop = last.every((one) => isShort(one) && one.stage === session.stage);
      if (last.length < LOOP_SESSIONS || !isLoop || !stageReached(session.stage, 'firmware'))
        return undefined;
      return last.map(
        ({ id, stage, openedAt, endedAt = openedAt }) =>
          `session ${id} ended at ${stage} after ${Math.round((endedAt - openedAt) / 1000)} s, replaced by the next`,
      );
    },
  },

  // Nobody said anything: what did not come says where it stopped.
  {
    name: 'no-address-server',
    title: 'nobody gives it an address',
    meaning:
      'In proxy mode another server gives addresses, and a probe found none on this network. Firmware takes no boot offer without an address.',
    remedy:
      'Start the DHCP server of this network, or let Tinderbox give addresses: dhcp: { mode: server, range: FIRST-LAST } in tinderbox.yaml.',
    when(known) {
      const { daemon, trace } = known;
      if (!is(known, BEFORE_LOADER) || daemon.mode !== 'proxy' || !daemon.nobodyGivesAddresses)
        return undefined;
      if (trace.romRequests.length + trace.ipxeRequests.length > 0 || !fetchedNothing(known))
        return undefined;
      return seen(
        'no DHCP server answers a probe on its interface',
        `it asked ${times(trace.unclaimedOffers.length)} and never took an address`,
      );
    },
  },
  {
    name: 'other-boot-server',
    title: 'another server names it a boot file of its own',
    meaning:
      'Another DHCP or proxy server on this network offers a boot file too, and the machine fetched nothing from here: it took the other one.',
    remedy:
      'Take the boot file off that server: its options 66 and 67, next-server and filename, dhcp-boot of dnsmasq, "Network boot" of a router; or switch it off.',
    when(known) {
      const { otherBootServers } = known.daemon;
      if (!is(known, BEFORE_SCRIPT) || otherBootServers.length === 0) return undefined;
      const { bootScripts, tftpReads, loaders } = known.trace;
      const tookOurs = tftpReads.length + loaders.length + bootScripts.length > 0 && !ipxeIsUp(known);
      if (tookOurs || bootScripts.length > 0) return undefined;
      return seen(
        ...otherBootServers
          .slice(0, 3)
          .map(
            ({ address, bootfile, nextServer }) =>
              `${address} offers ${bootfile}${nextServer === undefined ? '' : ` from ${nextServer}`} to who boots from the network`,
          ),
        'nothing was fetched from here since',
      );
    },
  },
  {
    name: 'offer-not-taken',
    title: 'its firmware takes no offer',
    meaning:
      "It asked again and again (EDK2: at 0, 4, 12 and 28 seconds, then PXE-E16), was answered each time, and never went on to a REQUEST: it saw no offer that it accepts. Some HP firmware ignores offers that come in two halves, as a proxy's do.",
    remedy:
      'In proxy mode: see that the other DHCP server answers it; try dhcp: { uefiProxy: offer }; firmware that ignores proxies needs dhcp: { mode: server, range: FIRST-LAST }. In server mode: let UDP 68 out to it (firewall, switch with DHCP snooping: make this port trusted).',
    when(known) {
      const { unclaimedOffers: offers } = known.trace;
      const [first] = offers;
      if (!is(known, BEFORE_SCRIPT) || first === undefined || offers.length < UNCLAIMED) return undefined;
      const after = offers.map(({ at }) => Math.round((at - first.at) / 1000)).slice(0, 8);
      return seen(
        `DISCOVERs after ${after.join(', ')} s, each answered, and no REQUEST`,
        tell(offers.at(-1) ?? first),
      );
    },
  },
  {
    name: 'script-not-asked-for',
    title: 'iPXE has /boot.ipxe and cannot go on from there',
    meaning: 'iPXE fetched its first script, which sends it on to /ipxe, and that was never asked for.',
    remedy:
      'The URL on its screen has to lead here from the machine: correct http.url in tinderbox.yaml (or take it out), and the reverse proxy behind that name.',
    when: (known) =>
      is(known, BEFORE_SCRIPT) && known.trace.bootScripts.length > 0 && known.trace.scripts.length === 0
        ? seen(
            tellIf(known.trace.bootScripts.at(-1)),
            known.daemon.url !== undefined && `it is sent to ${known.daemon.url}/ipxe`,
          )
        : undefined,
  },
  {
    name: 'ipxe-without-http',
    title: 'its iPXE has no HTTP',
    meaning:
      'The iPXE in its ROM says by option 175 that it cannot fetch by HTTP. It is given ours by TFTP, and that one never came up.',
    remedy:
      'Let UDP {tftp} in for it (TFTP). If ours does not start there: boot the card as plain PXE (firmware setup, boot mode of the network card), or flash an iPXE built with DOWNLOAD_PROTO_HTTP.',
    when(known) {
      const { ipxeDiscovers, ipxeRequests } = known.trace;
      const last = [...ipxeDiscovers, ...ipxeRequests].findLast((event) =>
        says(event, /this iPXE has no HTTP/),
      );
      const newest = ipxeDiscovers.at(-1);
      if (!is(known, BEFORE_SCRIPT) || last === undefined) return undefined;
      return newest === undefined || says(newest, /this iPXE has no HTTP/)
        ? seen(tell(last), 'this iPXE has no HTTP (option 175)')
        : undefined;
    },
  },
  {
    name: 'http-unreachable',
    title: 'iPXE runs and does not reach HTTP here',
    meaning:
      'iPXE asked by DHCP, was sent to /boot.ipxe, and that was never fetched: TCP does not get through, or there is no route.',
    remedy:
      'Let TCP {http} in on {interface} (nft list ruleset, ufw status). Where the machine is in another network it needs a router (dhcp.router). Does {url}/boot.ipxe answer from another host there (curl)?',
    when(known) {
      const { ipxeDiscovers, ipxeRequests, bootScripts, scripts } = known.trace;
      if (!is(known, BEFORE_SCRIPT) || bootScripts.length + scripts.length > 0) return undefined;
      const sent = [...ipxeDiscovers, ...ipxeRequests].findLast(({ answered }) =>
        /boot https?:/.test(answered),
      );
      return sent === undefined ? undefined : seen(tell(sent), '/boot.ipxe was never fetched');
    },
  },
  {
    name: 'tftp-timeouts',
    title: 'TFTP packets do not reach it, or not whole',
    meaning:
      'A transfer began and the machine acknowledged nothing more: a firewall that lets port 69 in but not the port of the transfer, or blocks that are larger than what a switch or tunnel passes.',
    remedy:
      'Let UDP to and from ports above 1023 through (conntrack helper: modprobe nf_conntrack_tftp). Make the MTU of {interface} no larger than what the switch passes (ip link set {interface} mtu 1500): blocks are cut to it.',
    when(known) {
      const { tftpSilent, tftpReads, tftpWhole, tftpProbes, tftpAborted } = known.trace;
      if (!is(known, BEFORE_LOADER) || tftpWhole.length > 0) return undefined;
      const mtu =
        known.daemon.mtu === undefined ? undefined : `the MTU of the interface is ${known.daemon.mtu}`;
      const silent = tftpSilent.at(-1);
      if (silent !== undefined) return seen(tell(silent), `${times(tftpSilent.length)} in all`, mtu);
      const open = tftpReads.length - tftpProbes.length - tftpAborted.length;
      return open > 0 ? seen(tellIf(tftpReads.at(-1)), 'the transfer has not ended', mtu) : undefined;
    },
  },
  {
    name: 'tftp-aborted',
    title: 'its firmware breaks off the loader',
    meaning:
      'The transfer of the loader went on, and the machine ended it with an error of its own: no room for the file, or a file that it does not like.',
    remedy:
      'The error stands in the evidence. Use a smaller loader (loaders: { {arch}: FILE }; undionly.kpxe for a BIOS, snponly.efi for UEFI), and update the firmware of the card.',
    when: (known) =>
      is(known, BEFORE_LOADER) && known.trace.tftpWhole.length === 0
        ? seen(tellIf(known.trace.tftpAborted.at(-1)))
        : undefined,
  },
  {
    name: 'tftp-size-probe-only',
    title: 'its firmware asked for the size of the loader, and no more',
    meaning:
      'UEFI first asks for the size, stops, and then asks for the file. The second request never came: the file is too large for it, or the answer did not arrive.',
    remedy:
      'Let UDP {tftp} in and the answers out, from any port. Try a smaller loader, loaders: { {arch}: snponly.efi }, and the firmware setup: network stack and PXE IPv4 on.',
    when: (known) =>
      is(known, BEFORE_LOADER) && known.trace.tftpWhole.length === 0
        ? seen(tellIf(known.trace.tftpProbes.at(-1)))
        : undefined,
  },
  {
    name: 'no-tftp-after-4011',
    title: 'it asked port 4011 and never began TFTP',
    meaning:
      'The firmware was told its boot file on port 4011 and did not ask for it: the answer did not reach it, or UDP 69 does not get through.',
    remedy:
      'Let UDP {tftp} in on {interface}, and UDP 4011 out to the machine. If the firmware ignores the answer: dhcp: { uefiProxy: offer }, else dhcp: { mode: server, range: FIRST-LAST }.',
    when: (known) =>
      is(known, BEFORE_LOADER) && fetchedNothing(known)
        ? seen(tellIf(known.trace.pxeRequests.at(-1)))
        : undefined,
  },
  {
    name: 'no-request-on-4011',
    title: 'it took an address and never asked port 4011',
    meaning:
      'In proxy mode UEFI firmware is sent to port 4011 for its boot file. It has its address from the other server, and no packet came to that port.',
    remedy:
      'Let UDP 4011 in on {interface}. If that is open: dhcp: { uefiProxy: offer } puts all into the offer; else dhcp: { mode: server, range: FIRST-LAST }.',
    when(known) {
      const { daemon, trace } = known;
      if (!is(known, BEFORE_LOADER) || daemon.mode !== 'proxy' || daemon.uefiProxy !== 'pxe')
        return undefined;
      if (trace.firmware?.firmware !== 'uefi' || trace.firmware.transport !== 'tftp') return undefined;
      return fetchedNothing(known) ? seen(tellIf(trace.romRequests.at(-1))) : undefined;
    },
  },
  {
    name: 'no-loader-fetched',
    title: 'it took an address and never fetched its loader',
    meaning:
      'The firmware has an address and the name of its loader, and asked for nothing: TFTP (or HTTP boot) does not get through, or it goes on to another boot device.',
    remedy:
      'Let UDP {tftp} in on {interface}, for UEFI HTTP boot TCP {http}. In its firmware setup the network has to be the first boot device.',
    when: (known) =>
      is(known, BEFORE_LOADER) && fetchedNothing(known) && !ipxeIsUp(known)
        ? seen(tellIf(known.trace.romRequests.at(-1)))
        : undefined,
  },
  {
    name: 'grub-asks-other-server',
    title: 'its GRUB came whole, and asks the other DHCP server',
    meaning:
      'In proxy mode GRUB takes its server from the reply that gave the address. That one is asked for grub.cfg, for minutes and in silence: "Welcome to GRUB!" is the last line on the screen.',
    remedy:
      'Have the other DHCP server name this one as next server (next-server, siaddr; of dnsmasq dhcp-boot=,,ADDRESS), or use dhcp: { mode: server, range: FIRST-LAST }. iPXE has no such trouble.',
    when({ session, trace, daemon }) {
      const last = trace.loaders.at(-1);
      // By HTTP its URL says where it came from.
      const isByTftp = last?.kind === 'tftp.done' && isGrubs(last.asked);
      if (
        daemon.mode !== 'proxy' ||
        session.stage !== 'firmware' ||
        trace.bootScripts.length > 0 ||
        !isByTftp
      )
        return undefined;
      const asksHere = trace.events.some(({ kind, at }) => kind === 'tftp.read' && at > last.at);
      return asksHere ? undefined : seen(tellIf(last), 'nothing was asked of this server since');
    },
  },
  {
    name: 'grub-without-script',
    title: 'its GRUB came whole, and never asked for grub.cfg',
    meaning:
      'GRUB was loaded and then asked for nothing that it could use: it was refused by Secure Boot, it looks elsewhere than in the folders that are served, or it came by HTTP and has no module for HTTP, as the one that Debian 12 signs.',
    remedy:
      'Look at its screen. `grub>`: the evidence shows what it asked for; put a grub.cfg there below assets/ipxe. UEFI HTTP boot needs a GRUB with the module http (Debian 13\'s), else boot by PXE. "Security Violation": the shim does not know its signature.',
    when({ session, trace }) {
      const last = trace.loaders.at(-1);
      if (session.stage !== 'firmware' || trace.bootScripts.length > 0 || !isGrubs(last?.asked ?? ''))
        return undefined;
      const missed = trace.events.filter(
        ({ kind, outcome, at }) => kind === 'tftp.read' && outcome !== 'answered' && at >= (last?.at ?? 0),
      );
      return seen(tellIf(last), tellIf(missed.at(-1)), 'no grub.cfg was asked for');
    },
  },
  {
    name: 'loader-does-not-start',
    title: 'its loader came whole, and nothing answers',
    meaning:
      'The firmware has the loader and does not run it (Secure Boot, a wrong file), or iPXE runs and finds no network (its driver, the link). A loader that is a kernel never says a word to Tinderbox.',
    remedy:
      'Look at its screen. "Access denied", "Security Violation": Secure Boot; give its role secureBoot: true, or switch it off in the firmware setup. Is the loader a kernel or a unified kernel image? Then nothing is wrong: stageTime: { firmware: off } in its role. iPXE runs and finds no link or no card: loaders: { {arch}: ipxe.efi } brings iPXE\'s own drivers (snponly.efi uses the firmware\'s).',
    when({ session, trace }) {
      if (session.stage !== 'firmware' || trace.bootScripts.length > 0) return undefined;
      const last = trace.loaders.at(-1);
      const up = [...trace.ipxeDiscovers, ...trace.ipxeRequests].some(({ at }) => at >= (last?.at ?? 0));
      return up ? undefined : seen(tellIf(last), 'neither iPXE nor GRUB said a word after it');
    },
  },
  {
    name: 'mirror-not-heard',
    title: 'it was sent to a mirror for its kernel, and nothing is heard of it since',
    meaning:
      'Its script names a mirror (assets.mirrors), whose downloads are not seen here. Neither its system nor a request for the files here, which its script falls back to, was heard since.',
    remedy:
      'Look at its screen, and at the log of the mirror that the evidence names. Does curl -I of the kernel answer there from the rack, as quickly as it should? tinderbox render {mac} --only script shows the URLs; tinderbox doctor says how the mirror does. Without the mirror: take it out of tinderbox.yaml.',
    when(known) {
      const mirror = mirrorOf(known);
      if (known.session.stage !== 'script' || mirror === undefined) return undefined;
      const script = known.trace.scripts.at(-1);
      if (known.trace.systemRequests.some(({ at }) => at >= (script?.at ?? 0))) return undefined;
      return seen(mirror, tellIf(script));
    },
  },
  {
    name: 'kernel-not-fetched',
    title: 'it has its script and never asked for the kernel',
    meaning: 'The loader got its script, which names the kernel, and nothing was asked for.',
    remedy:
      'Look at its screen. tinderbox render {mac} --only script shows the URL of the kernel: it has to lead here from the machine (http.url), or to a server that it reaches.',
    when: (known) =>
      known.session.stage === 'script' && known.trace.assets.length === 0 && mirrorOf(known) === undefined
        ? seen(tellIf(known.trace.scripts.at(-1)), 'no file was asked for since')
        : undefined,
  },
  {
    name: 'initrd-not-fetched',
    title: 'it has its kernel and never got its initrd',
    meaning:
      'The loader fetched the kernel, and an initrd of the role was not asked for, or does not come to its end.',
    remedy:
      'Look at its screen: iPXE and GRUB say there what they do. tinderbox render {mac} --only script shows the URLs. A slow link needs more time: stageTime: { kernel: 20m } in profiles/{role}/role.yaml.',
    when: ({ session, trace, daemon }) =>
      session.stage === 'kernel' && daemon.role?.hasInitrd !== false
        ? seen(tellIf(trace.assets.at(-1)), 'the last initrd of its script did not come whole')
        : undefined,
  },
  {
    name: 'config-not-fetched',
    title: 'its system is up and does not fetch its configuration',
    meaning:
      'The system asked for an address by DHCP after it was loaded, or for one of the files beside its configuration, so kernel and network driver work. The configuration itself was never asked for.',
    remedy:
      "See that the role's cmdline names {{configUrl}} as its system wants it (tinderbox render {mac} --only script), and that the system reaches {url}: a route, TCP {http}.",
    when(known) {
      const { session, trace, daemon } = known;
      const isLoaded = session.stage === 'kernel' || session.stage === 'initrd';
      if (!isLoaded && (session.stage !== 'script' || mirrorOf(known) === undefined)) return undefined;
      if (trace.configs.length > 0 || daemon.role?.hasConfig === false) return undefined;
      const loaded = session.stageTimes[session.stage] ?? session.openedAt;
      const asked = [...trace.systemRequests, ...trace.configFiles].findLast(({ at }) => at >= loaded);
      return asked === undefined ? undefined : seen(tell(asked), 'its configuration was never asked for');
    },
  },
  {
    name: 'system-not-heard',
    title: 'it was loaded, and nothing more is heard of it',
    meaning:
      'Kernel and initrds came whole. Not even a DHCP question of the running system was heard: the kernel does not come up, shows its messages elsewhere, or has no driver for the network card.',
    remedy:
      'Look at its console: the parameter console of the role says where (console=ttyS0, tty0). No card in `ip link` there: the image needs a driver (module) for it. It stops while it unpacks: more memory (Flatcar: 3 GB).',
    when: ({ session, trace, daemon }) =>
      (session.stage === 'initrd' || session.stage === 'kernel') && trace.configs.length === 0
        ? seen(
            tellIf(trace.assets.at(-1)),
            daemon.role?.hasConfig === false
              ? 'it reported nothing'
              : 'neither DHCP nor its configuration was asked for since',
          )
        : undefined,
  },
  {
    name: 'no-report',
    title: 'it has its configuration and does not say that it booted',
    meaning:
      'The configuration was fetched. Neither `stage=booted` nor `stage=failed` was reported: the system still works at it, hangs, or does not reach the report URL.',
    remedy:
      'On the machine: systemctl --failed; journalctl -b -p warning. A role that takes longer: stageTime: { config: 1h } in profiles/{role}/role.yaml; one that never reports: stageTime: { config: off }.',
    when: ({ session, trace }) =>
      session.stage === 'config'
        ? seen(
            tellIf(trace.configs.findLast(({ outcome }) => outcome === 'answered')),
            'nothing was reported since',
          )
        : undefined,
  },
  {
    name: 'no-node',
    title: 'it has booted, and there is no Node of it',
    meaning:
      'The machine says that it has booted, the API server is watched, and no kubelet has registered it.',
    remedy:
      'On the machine: systemctl status kubelet; journalctl -u kubelet -e. It has to reach cluster.apiServer of tinderbox.yaml (curl -k its /livez from there), with a clock that is right.',
    when: ({ session, daemon }) =>
      session.stage === 'booted' && session.lastStage === 'ready' && daemon.cluster !== undefined
        ? seen(`no Node is called ${session.hostname ?? session.mac}`)
        : undefined,
  },

  // Last, and always.
  {
    name: 'unknown',
    title: 'it stopped for no reason that is known',
    meaning:
      'No rule fits. The evidence says what was seen last; the machine may simply have been switched off.',
    remedy:
      'Look at its screen, and at all that it asked: tinderbox machines {mac}; tinderbox log --trace {mac} while it boots again. Was it switched off? Then nothing has to be done.',
    when({ session, trace }) {
      const last = trace.events.findLast(({ kind }) => !kind.startsWith('session.'));
      return [
        `nothing took it beyond ${session.stage}`,
        ...(last === undefined ? [] : [`last: ${tell(last)}`]),
      ];
    },
  },
];
