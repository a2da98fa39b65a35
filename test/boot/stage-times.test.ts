import t from 'tap';
import { DEFAULT_STAGE_TIMES, timeAllowed } from '../../src/boot/stage-times.ts';
import type { KernelBoot, Role, TemplateSource } from '../../src/machine/role.ts';
import type { StageTimes, WaitingStage } from '../../src/machine/stage.ts';
import { makeRole } from '../support/make-role.ts';

const text = (value: string): TemplateSource => ({ file: 'role.yaml', text: value, line: 1 });
const role = makeRole('worker');
const boot = role.boot as KernelBoot;
const config = { format: 'cloud-config', template: text('#cloud-config') } as const;
const reporting: Role = { ...role, config, boot: { ...boot, cmdline: [text('report={{reportUrl}}')] } };
const withTime = (stageTime: StageTimes): Role => ({ ...reporting, stageTime });

const menu = {
  kind: 'menu',
  title: 'What now?',
  default: 'worker',
  choices: [{ role: 'worker', label: 'Worker', line: 5 }],
} as const;

interface Row {
  readonly what: string;
  readonly stage: WaitingStage | 'ready';
  readonly role?: Role;
  readonly lastStage?: 'ready';
  readonly configured?: StageTimes;
  readonly hasMirror?: boolean;
  /** Seconds. */
  readonly expect: number | undefined;
}

const UNSEEN = DEFAULT_STAGE_TIMES.script + DEFAULT_STAGE_TIMES.kernel + DEFAULT_STAGE_TIMES.initrd;

const rows: readonly Row[] = [
  {
    what: 'a mirror, whose downloads are not seen',
    stage: 'script',
    role: reporting,
    hasMirror: true,
    expect: UNSEEN,
  },
  {
    what: 'a mirror that was not used',
    stage: 'kernel',
    role: reporting,
    hasMirror: true,
    expect: DEFAULT_STAGE_TIMES.kernel,
  },
  {
    what: 'a mirror, and nothing that tells more',
    stage: 'script',
    role,
    hasMirror: true,
    expect: undefined,
  },
  {
    what: 'a mirror, and a menu',
    stage: 'script',
    role: { ...role, boot: { ...menu, timeout: 20 } },
    hasMirror: true,
    expect: DEFAULT_STAGE_TIMES.script + 20,
  },
  { what: 'a default', stage: 'offered', expect: DEFAULT_STAGE_TIMES.offered },
  { what: "the operator's", stage: 'offered', configured: { offered: 7 }, expect: 7 },
  {
    what: "the role's over it",
    stage: 'kernel',
    role: withTime({ kernel: 9 }),
    configured: { kernel: 7 },
    expect: 9,
  },
  {
    what: "what the role doesn't say",
    stage: 'initrd',
    role: withTime({ kernel: 9 }),
    configured: { initrd: 7 },
    expect: 7,
  },
  { what: 'off', stage: 'kernel', role: withTime({ kernel: 'off' }), expect: undefined },
  {
    what: 'off for all, but not for the role',
    stage: 'kernel',
    role: withTime({ kernel: 9 }),
    configured: { kernel: 'off' },
    expect: 9,
  },
  {
    what: 'a role that reports from a file beside its configuration',
    stage: 'config',
    role: {
      ...role,
      config: {
        format: 'raw',
        template: text('d-i x'),
        files: new Map([['late.sh', text('curl {{reportUrl}}')]]),
      },
    },
    expect: DEFAULT_STAGE_TIMES.config,
  },
  {
    what: 'a role that reports from nowhere',
    stage: 'config',
    role: { ...role, config: { format: 'raw', template: text('d-i x'), files: new Map([['a', text('x')]]) } },
    expect: undefined,
  },
  { what: 'ready', stage: 'ready', expect: undefined },
  { what: 'hold', stage: 'script', role: { ...role, boot: { kind: 'hold' } }, expect: undefined },
  {
    what: 'a menu, as long as it may be looked at',
    stage: 'script',
    role: { ...role, boot: { ...menu, timeout: 20 } },
    expect: DEFAULT_STAGE_TIMES.script + 20,
  },
  {
    what: 'one that waits for a person',
    stage: 'script',
    role: { ...role, boot: { ...menu, timeout: 'off' } },
    expect: undefined,
  },
  { what: 'a role that reports', stage: 'config', role: reporting, expect: DEFAULT_STAGE_TIMES.config },
  { what: 'one that does not', stage: 'config', role: { ...role, config }, expect: undefined },
  {
    what: 'but says how long',
    stage: 'config',
    role: { ...role, config, stageTime: { config: 5 } },
    expect: 5,
  },
  {
    what: 'one whose Node tells',
    stage: 'config',
    role: { ...role, config },
    lastStage: 'ready',
    expect: DEFAULT_STAGE_TIMES.config,
  },
  {
    what: 'a report in the template',
    stage: 'config',
    role: { ...role, config: { ...config, template: text('{{reportUrl}}') } },
    expect: DEFAULT_STAGE_TIMES.config,
  },
  {
    what: 'a report in a partial',
    stage: 'config',
    role: {
      ...role,
      config: { ...config, template: text('{{> report}}') },
      partials: new Map([['report', text('{{reportUrl}}')]]),
    },
    expect: DEFAULT_STAGE_TIMES.config,
  },
  {
    what: 'a partial that it does not use',
    stage: 'config',
    role: { ...role, config, partials: new Map([['report', text('{{reportUrl}}')]]) },
    expect: undefined,
  },
  { what: 'no configuration, after the last file', stage: 'initrd', role, expect: undefined },
  { what: 'no configuration, before it', stage: 'kernel', role, expect: DEFAULT_STAGE_TIMES.kernel },
  {
    what: 'nor an initrd',
    stage: 'kernel',
    role: { ...role, boot: { ...boot, initrd: [] } },
    expect: undefined,
  },
  {
    what: 'a kernel from elsewhere is loaded unseen',
    stage: 'script',
    role: {
      ...reporting,
      boot: { ...boot, cmdline: [text('{{reportUrl}}')], kernel: text('http://files/vmlinuz') },
    },
    configured: { script: 1, kernel: 2, initrd: 4 },
    expect: 7,
  },
];

t.test('how long a session may stand where it stands', (t) => {
  for (const { what, stage, role: known, lastStage, configured = {}, hasMirror, expect } of rows) {
    const session = { stage, ...(lastStage === undefined ? {} : { lastStage }) };
    t.equal(
      timeAllowed(session, known, configured, hasMirror),
      expect === undefined ? undefined : expect * 1000,
      what,
    );
  }
  t.end();
});
