import t from 'tap';
import { ok, warning } from '../src/boot/finding.ts';
import { formatReport } from '../src/cli/doctor.ts';
import type { DoctorCheck } from '../src/doctor-context.ts';
import { TinderboxError } from '../src/errors.ts';
import { type DoctorInput, runDoctor } from '../src/run-doctor.ts';
import { makeSite } from './support/make-site.ts';

async function inputOf(t: Parameters<typeof makeSite>[0]): Promise<DoctorInput> {
  return {
    config: await makeSite(t, { cluster: false }),
    status: undefined,
    inDaemon: false,
    machines: async () => [],
    admissions: async () => ({ admissions: [], onceUses: [] }),
    now: 1_700_000_000_000,
  };
}

t.test('a check that hangs or throws is reported, and stops no other one', async (t) => {
  let wasTold = false;
  const checks: readonly (readonly [string, DoctorCheck])[] = [
    ['hangs', ({ signal }) => new Promise(() => signal.addEventListener('abort', () => (wasTold = true)))],
    ['throws', () => Promise.reject(new Error('bang'))],
    [
      'throws-at-once',
      () => {
        throw new Error('boom');
      },
    ],
    ['may-not', () => Promise.reject(new TinderboxError('refused', 'no right'))],
    ['works', async () => [ok('fine'), warning('so-so', 'mend it')]],
  ];
  const report = await runDoctor(await inputOf(t), checks, 50);
  t.match(report, { ok: false, running: false, at: 1_700_000_000_000 });
  t.same(
    report.findings.map(({ check, state, text }) => `${check} ${state}: ${text}`),
    [
      'hangs problem: it did not end within 0.05 s',
      'throws warning: it could not be looked at: bang',
      'throws-at-once warning: it could not be looked at: boom',
      'may-not skipped: no right',
      'works ok: fine',
      'works warning: so-so',
    ],
  );
  t.ok(wasTold);
  t.equal(
    formatReport(report, true).split('\n').slice(-4, -1).join('\n'),
    [
      'WARNING  works          so-so',
      '                        → mend it',
      '1 problem(s), 3 warning(s), 1 not looked at',
    ].join('\n'),
  );
  t.match(formatReport(report, false), /^ok {7}works {10}fine$/m);
});

t.test('nothing but problems makes it fail', async (t) => {
  const report = await runDoctor(await inputOf(t), [['works', async () => [warning('so-so')]]]);
  t.equal(report.ok, true);
});

t.test('texts from machines are without what a terminal acts on', async (t) => {
  const report = { ok: true, at: 1, running: true, findings: [{ check: 'machines', ...ok('a\u001b[2Jb') }] };
  t.match(formatReport(report, false), /a\[2Jb/);
});
