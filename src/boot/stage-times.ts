import type { Role } from '../machine/role.ts';
import type { BootSession } from '../machine/session.ts';
import type { StageTimes, WaitingStage } from '../machine/stage.ts';

/**
 * How long a machine may stand at a stage, in seconds, where nobody says otherwise. Each has to hold for slow but sound
 * machines: a stall that is none teaches operators to look away.
 */
export const DEFAULT_STAGE_TIMES: Readonly<Record<WaitingStage, number>> = {
  discovered: 60,
  // EDK2 asks when `secs` is 0, 4, 12 and 28, and gives up with PXE-E16 at about 60 (seen).
  offered: 60,
  // iPXE waits for a link that a switch with spanning tree holds back for up to 50 s.
  firmware: 120,
  // Of the kernel's download; over a slow link from a busy host.
  script: 300,
  // Of the initrds' downloads: Flatcar's has 400 MB.
  kernel: 600,
  // Unpacking, drivers, the system's own DHCP; some servers test their memory anew after kexec.
  initrd: 600,
  // Programs and container images come now.
  config: 1200,
  booted: 600,
};

/**
 * How long this session may stand where it stands, in ms; undefined: for ever. `configured`: of tinderbox.yaml. `role`:
 * that of the session, as the profiles have it now. `hasMirror`: its machine may fetch from a mirror.
 */
export function timeAllowed(
  { stage, lastStage }: Pick<BootSession, 'stage' | 'lastStage'>,
  role: Role | undefined,
  configured: StageTimes,
  hasMirror = false,
): number | undefined {
  if (stage === 'ready' || role?.boot.kind === 'hold') return undefined;
  const timeOf = (one: WaitingStage): number | 'off' =>
    role?.stageTime?.[one] ?? configured[one] ?? DEFAULT_STAGE_TIMES[one];
  // Another server gives the kernel: nothing is heard of its download and of that of the initrds.
  const isUnseen = role !== undefined && (!loadsFromHere(role) || (hasMirror && role.boot.kind === 'kernel'));
  // What the role says of itself counts also where nothing more is to be expected.
  if (
    role?.stageTime?.[stage] === undefined &&
    role !== undefined &&
    isLastWord(stage, lastStage, role, isUnseen)
  ) {
    return undefined;
  }
  const stages: readonly WaitingStage[] =
    stage === 'script' && isUnseen ? ['script', 'kernel', 'initrd'] : [stage];
  const times = [...stages.map(timeOf), ...(stage === 'script' ? menuTime(role) : [])];
  if (times.includes('off')) return undefined;
  return times.reduce<number>((sum, time) => sum + Number(time), 0) * 1000;
}

/** Whether nothing more is heard of a machine of the role after this stage, however well it does. */
function isLastWord(
  stage: WaitingStage,
  lastStage: BootSession['lastStage'],
  role: Role,
  isUnseen: boolean,
): boolean {
  if (role.boot.kind !== 'kernel' || lastStage === 'ready') return false;
  if (role.boot.cmdline.some(({ text }) => text.includes('reportUrl'))) return false;
  if (role.config === undefined) {
    if (stage === 'script') return isUnseen;
    return stage === 'initrd' || (stage === 'kernel' && role.boot.initrd.length === 0) || stage === 'config';
  }
  if (stage !== 'config') return false;
  const partials = [...role.partials.values()].some(({ text }) => text.includes('reportUrl'));
  return [role.config.template, ...(role.config.files?.values() ?? [])].every(
    ({ text }) => !text.includes('reportUrl') && !(partials && /\{\{~?#?>/.test(text)),
  );
}

/** For as long as it may be looked at. */
function menuTime(role: Role | undefined): readonly (number | 'off')[] {
  return role?.boot.kind === 'menu' ? [role.boot.timeout] : [];
}

function loadsFromHere({ boot }: Role): boolean {
  return boot.kind !== 'kernel' || !/^https?:/.test(boot.kernel.text.trim());
}
