import type { DoctorFinding, DoctorReport } from './admin/doctor-api.ts';
import { type Finding, problem, skipped, warning } from './boot/finding.ts';
import type { DoctorCheck, DoctorContext } from './doctor-context.ts';
import { checkAssets, checkBootFiles, checkConfiguration, checkTemplates } from './doctor-files.ts';
import {
  checkCertificates,
  checkClock,
  checkDescriptors,
  checkFirewall,
  checkSpace,
  checkUnit,
} from './doctor-host.ts';
import { checkMachines } from './doctor-machines.ts';
import { checkMirrors } from './doctor-mirrors.ts';
import { checkDaemon, checkDhcpServers, checkInterfaces } from './doctor-network.ts';
import { checkPorts } from './doctor-ports.ts';
import { toTinderboxError } from './errors.ts';
import { runPreflight } from './preflight.ts';

/** In the order in which one would look. */
export const DOCTOR_CHECKS: readonly (readonly [name: string, check: DoctorCheck])[] = [
  ['daemon', checkDaemon],
  ['service', checkUnit],
  ['configuration', checkConfiguration],
  ['interface', checkInterfaces],
  ['ports', checkPorts],
  ['firewall', checkFirewall],
  ['dhcp-servers', checkDhcpServers],
  ['boot-files', checkBootFiles],
  ['assets', checkAssets],
  ['mirrors', checkMirrors],
  ['templates', checkTemplates],
  ['certificates', checkCertificates],
  ['clock', checkClock],
  ['disk', checkSpace],
  ['descriptors', checkDescriptors],
  ['machines', checkMachines],
];

/** In ms. Looking for other DHCP servers takes five seconds. */
const LIMIT = 30_000;

export type DoctorInput = Omit<DoctorContext, 'preflight' | 'signal'>;

/**
 * Looks at everything, at once. Never throws: what a check throws, or that it takes too long, is a finding of it, and stops
 * no other one.
 */
export async function runDoctor(
  input: DoctorInput,
  checks = DOCTOR_CHECKS,
  limit = LIMIT,
): Promise<DoctorReport> {
  const preflight = runPreflight(input.config);
  // Each check that needs it says that it failed.
  preflight.catch(() => undefined);
  const found = await Promise.all(
    checks.map(async ([check, look]): Promise<readonly DoctorFinding[]> => {
      const findings = await runCheck(look, { ...input, preflight }, limit);
      return findings.map((finding) => ({ check, ...finding }));
    }),
  );
  const findings = found.flat();
  return {
    ok: findings.every(({ state }) => state !== 'problem'),
    at: input.now,
    running: input.status !== undefined,
    findings,
  };
}

async function runCheck(
  look: DoctorCheck,
  context: Omit<DoctorContext, 'signal'>,
  limit: number,
): Promise<readonly Finding[]> {
  const ending = new AbortController();
  const late = Promise.withResolvers<readonly Finding[]>();
  const timer = setTimeout(() => {
    late.resolve([
      problem(
        `it did not end within ${limit / 1000} s`,
        'Does a disk or a network file system hang? See dmesg.',
      ),
    ]);
    ending.abort();
  }, limit);
  try {
    return await Promise.race([look({ ...context, signal: ending.signal }), late.promise]);
  } catch (thrown) {
    const { code, message, remedy } = toTinderboxError(thrown);
    if (code === 'refused') return [skipped(message, remedy ?? 'Run this as root.')];
    return [warning(`it could not be looked at: ${message}`, remedy)];
  } finally {
    clearTimeout(timer);
  }
}
