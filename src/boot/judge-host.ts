import { type Finding, ok, problem, skipped, warning } from './finding.ts';
import { formatSize } from './format-size.ts';

const MB = 1_000_000;

export interface FileSystemSpace {
  /** `the state folder`. */
  readonly what: string;
  readonly folder: string;
  /** Bytes; of what who is not root may use. */
  readonly free: number;
  readonly total: number;
  /** Undefined where the file system has no fixed number of them. */
  readonly freeInodes?: number;
}

/** SQLite needs room for its WAL (16 MiB) and a copy before a migration; below that commits fail. */
const LEAST = 64 * MB;
const LITTLE = 512 * MB;

export function judgeSpace({ what, folder, free, total, freeInodes }: FileSystemSpace): Finding {
  const remedy = `Free space on the file system of ${folder}.`;
  const left = `${what} (${folder}) has ${formatSize(free)} free of ${formatSize(total)}`;
  if (free < LEAST) return problem(left, remedy);
  if (freeInodes !== undefined && freeInodes < 100)
    return problem(`${what} (${folder}) has ${freeInodes} inodes left`, remedy);
  return free < LITTLE ? warning(left, remedy) : ok(left);
}

export interface ClockFacts {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Whether something keeps it right; undefined: that cannot be seen. */
  readonly synchronised?: boolean;
  /** When files were last written that this host wrote itself. */
  readonly written: readonly { readonly file: string; readonly at: number }[];
  readonly authorities: readonly { readonly name: string; readonly notBefore: number }[];
}

/** Before Tinderbox was there. */
const EARLIEST = Date.UTC(2025, 0, 1);
const LATEST = Date.UTC(2100, 0, 1);
const HOUR = 3_600_000;
const MEND = 'Set the clock, and let something keep it: timedatectl set-ntp true, or chrony.';

export function judgeClock({ now, synchronised, written, authorities }: ClockFacts): readonly Finding[] {
  const time = new Date(now).toISOString().slice(0, 19).replace('T', ' ');
  if (now < EARLIEST || now > LATEST)
    return [problem(`it is ${time} UTC on this host: that cannot be`, MEND)];
  const young = authorities.filter(({ notBefore }) => now < notBefore);
  const later = written.filter(({ at }) => at > now + HOUR);
  const findings = [
    ...young.map(({ name, notBefore }) =>
      problem(
        `it is ${time} UTC here, before the ${name} authority begins (${new Date(notBefore).toISOString().slice(0, 10)}): no certificate can be issued`,
        MEND,
      ),
    ),
    ...later.map(({ file }) =>
      warning(`it is ${time} UTC here, and ${file} was written later: the clock went back`, MEND),
    ),
    ...(synchronised === false
      ? [
          warning(
            `it is ${time} UTC here, and nothing keeps the clock right`,
            'timedatectl set-ntp true, or install chrony: certificates fail where clocks differ.',
          ),
        ]
      : []),
  ];
  if (findings.length > 0) return findings;
  const how = synchronised === true ? ', synchronised' : '';
  return [ok(`it is ${time} UTC${how}`)];
}

const DAY = 24 * HOUR;

/** A certificate that is renewed by somebody: it warns when that is overdue. */
export function judgeExpiry(what: string, notAfter: number, now: number, soon = 14 * DAY): Finding {
  const day = new Date(notAfter).toISOString().slice(0, 10);
  if (notAfter <= now)
    return problem(`${what} expired on ${day}`, 'Renew it; kubeadm clusters: kubeadm certs renew all.');
  const left = `${what} is good until ${day}`;
  if (notAfter - now < soon) return warning(left, 'Renew it; kubeadm clusters: kubeadm certs renew all.');
  return ok(left);
}

/** Descriptors of the daemon: each machine that downloads takes two. */
export function judgeDescriptors(open: number | undefined, limit: number | undefined): Finding {
  if (limit === undefined) return skipped('the limit of open files cannot be read', 'Run this as root.');
  const remedy = 'Raise LimitNOFILE= of the service: systemctl edit tinderbox.';
  const used = open === undefined ? '' : `${open} of `;
  const text = `the daemon may have ${used}${limit} files open`;
  if (open !== undefined && open > 0.8 * limit)
    return problem(`the daemon has ${open} of ${limit} files open`, remedy);
  return limit < 4096 ? warning(text, remedy) : ok(text);
}

/** `systemctl show`: properties by name. */
export function judgeUnit(properties: ReadonlyMap<string, string>, isRunning: boolean): Finding {
  const load = properties.get('LoadState');
  if (load === undefined || load === 'not-found') return skipped('tinderbox is not installed as a service');
  const active = properties.get('ActiveState') ?? 'unknown';
  const result = properties.get('Result') ?? '';
  const state = `tinderbox.service is ${active} (${properties.get('SubState') ?? '?'})`;
  const why = 'Look at: journalctl -u tinderbox -e';
  if (load === 'masked') return warning('tinderbox.service is masked', 'systemctl unmask tinderbox');
  if (active === 'failed')
    return problem(`${state}: ${result} (exit code ${properties.get('ExecMainStatus') ?? '?'})`, why);
  if (active === 'activating' && properties.get('SubState') === 'auto-restart')
    return problem(`${state}: it ends again and again (${result})`, why);
  if (active !== 'active')
    return isRunning
      ? ok(`${state}; tinderbox was started otherwise`)
      : warning(state, 'sudo systemctl start tinderbox');
  if (properties.get('UnitFileState') === 'disabled')
    return warning(`${state}, and does not start with the host`, 'sudo systemctl enable tinderbox');
  return ok(state);
}
