import type { MachineListView } from './admin/api.ts';
import { type Finding, ok, skipped, warning } from './boot/finding.ts';
import type { DoctorContext } from './doctor-context.ts';

const MOST = 20;

/** Boots that do not go on, each with its cause. */
export async function checkMachines({ config, machines }: DoctorContext): Promise<readonly Finding[]> {
  const seen = await machines();
  if (seen.length === 0)
    return [skipped('no machine was ever seen', 'Power one on, with its first boot device the network.')];
  const stalled = seen.filter(({ session }) => session?.stalled !== undefined && session.end === undefined);
  const waiting = seen.filter(
    ({ session }) => session?.waitingSince !== undefined && session.end === undefined,
  );
  const findings = stalled.slice(0, MOST).map(describeStalled);
  if (stalled.length > MOST) findings.push(warning(`${stalled.length - MOST} more are stalled`));
  if (waiting.length > 0) {
    const named = waiting
      .slice(0, MOST)
      .map(({ machine }) => machine.mac)
      .join(', ');
    findings.push(
      warning(
        `${waiting.length === 1 ? 'a machine waits' : `${waiting.length} machines wait`} for approval: ${named}`,
        'tinderbox approve MAC --role ROLE',
      ),
    );
  }
  if (config.dhcp.mode === 'proxy') findings.push(...hintAtHp(seen));
  return findings.length > 0
    ? findings
    : [ok(`${seen.length === 1 ? 'one machine was' : `${seen.length} machines were`} seen, none is stalled`)];
}

function describeStalled({ machine, session }: MachineListView['machines'][number]): Finding {
  const name = session?.hostname ?? machine.hostname;
  const who = name === undefined ? machine.mac : `${machine.mac} (${name})`;
  const { stage, diagnosis } = session?.stalled ?? {};
  return warning(
    `${who} is stalled at ${stage ?? '?'}: ${diagnosis?.title ?? 'for a reason that nobody knows'}`,
    `${diagnosis?.remedy ?? ''} See: tinderbox explain ${machine.mac}`.trim(),
  );
}

/** Some HP firmware ignores offers that come from two servers altogether (report: bootimus 77). */
function hintAtHp(seen: MachineListView['machines']): readonly Finding[] {
  const stuck = seen.filter(
    ({ machine, session }) =>
      /^(HP|HPE|Hewlett)/i.test(machine.manufacturer ?? '') &&
      session?.stage === 'offered' &&
      session.end === undefined,
  );
  if (stuck.length === 0) return [];
  return [
    warning(
      `${stuck.length} machines of HP do not take the offer of a proxy`,
      'Some HP firmware ignores proxies altogether: dhcp.mode: server is the way out.',
    ),
  ];
}
