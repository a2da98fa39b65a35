import { Type } from 'typebox';
import { MACHINE_ARCHES } from '../../machine/architecture.ts';
import { EVENT_KINDS, OUTCOMES } from '../../machine/event.ts';
import { POWER_ACTIONS, POWER_KINDS } from '../../machine/power.ts';
import { SESSION_ENDS } from '../../machine/session.ts';
import { STAGES } from '../../machine/stage.ts';
import { mac, Problem, text, texts, time } from './text.ts';

const stage = Type.Enum([...STAGES], { description: 'How far a boot came.' });

export const Diagnosis = Type.Object({
  name: text('Kebab-case, stable.'),
  title: text('What is the case, in a few words.'),
  evidence: texts('Why that is what it looks like.'),
  remedy: text('What the operator can do.'),
});

const Hardware = Type.Object({
  at: time('When it was told.'),
  source: Type.Enum(['ipxe', 'linux']),
  cpu: Type.Optional(Type.Object({ model: Type.String(), count: Type.Optional(Type.Integer()) })),
  memory: Type.Optional(Type.Number({ description: 'Bytes.' })),
  disks: Type.Array(
    Type.Object({
      name: Type.String(),
      model: Type.Optional(Type.String()),
      bytes: Type.Optional(Type.Number()),
    }),
  ),
  network: Type.Array(
    Type.Object({
      name: Type.String(),
      mac: Type.Optional(Type.String()),
      driver: Type.Optional(Type.String()),
      speed: Type.Optional(Type.Number({ description: 'Megabits per second.' })),
      link: Type.Optional(Type.Boolean()),
    }),
  ),
  firmware: Type.Optional(
    Type.Object({
      kind: Type.Optional(Type.Enum(['bios', 'uefi'])),
      vendor: Type.Optional(Type.String()),
      version: Type.Optional(Type.String()),
      date: Type.Optional(Type.String()),
      secureBoot: Type.Optional(Type.Boolean()),
    }),
  ),
});

const optionalText = (description: string) => Type.Optional(text(description));

export const Machine = Type.Object({
  mac,
  uuid: optionalText('Lower case, as SMBIOS prints it.'),
  arch: Type.Optional(Type.Enum([...MACHINE_ARCHES])),
  address: optionalText('Its own, or that of the interface or relay it is heard on.'),
  relay: optionalText('Of the relay agent, if its packets come through one.'),
  serial: optionalText('As SMBIOS has it.'),
  asset: optionalText('As SMBIOS has it.'),
  manufacturer: optionalText('As SMBIOS has it.'),
  product: optionalText('As SMBIOS has it.'),
  platform: optionalText('pcbios or efi.'),
  labels: Type.Optional(
    Type.Record(Type.String(), Type.String(), { description: 'What it said of itself at /ipxe, by name.' }),
  ),
  firstSeen: time('When it was first heard.'),
  lastSeen: time('When it was last heard.'),
  via: optionalText('The interface it was heard on.'),
  hostname: optionalText('The one that it last booted with.'),
  hardware: Type.Optional(Hardware),
});

const Registration = {
  role: Type.String(),
  nodeName: Type.Optional(Type.String()),
  marks: text('A fingerprint of labels and taints.'),
};

export const Session = Type.Object(
  {
    id: Type.Integer(),
    mac,
    openedAt: time('When it began.'),
    updatedAt: time('When it last moved.'),
    stage,
    stageTimes: Type.Partial(
      Type.Object(
        Object.fromEntries(STAGES.map((name) => [name, Type.Number()])) as Record<
          (typeof STAGES)[number],
          ReturnType<typeof Type.Number>
        >,
      ),
      { description: 'When each stage was first reached. Milliseconds since the epoch.' },
    ),
    end: Type.Optional(Type.Enum([...SESSION_ENDS])),
    endedAt: Type.Optional(time('When it ended.')),
    scriptAt: Type.Optional(time('When it last got its script.')),
    signingUntil: Type.Optional(time('Of a signing token: until when requests are answered.')),
    failedAt: Type.Optional(time('When the machine last said that its boot failed.')),
    stalled: Type.Optional(
      Type.Object(
        { at: time('Since when.'), stage, diagnosis: Diagnosis },
        { description: 'It overran its time.' },
      ),
    ),
    alarmedAt: Type.Optional(time('When an alarm was last raised about it.')),
    waitingSince: Type.Optional(time('Since when it waits for approval.')),
    lastStage: Type.Optional(Type.Enum(['booted', 'ready'])),
    bootId: optionalText("The kernel's boot ID of its Node."),
    formerBootId: optionalText('That of the boot before.'),
    registration: Type.Optional(Type.Object(Registration)),
    formerRegistration: Type.Optional(
      Type.Object({ ...Registration, left: Type.Optional(Type.Literal(true)) }),
    ),
    role: optionalText('What it was given.'),
    hostname: optionalText('What it was given.'),
    address: optionalText('The one that fetched the script.'),
  },
  { description: 'One attempt of one machine to boot.' },
);

export const Event = Type.Object({
  at: time('When.'),
  mac: Type.Optional(mac),
  sessionId: Type.Optional(Type.Integer()),
  kind: Type.Enum([...EVENT_KINDS]),
  stage: Type.Optional(stage),
  outcome: Type.Enum([...OUTCOMES]),
  asked: text('What the machine asked.'),
  answered: text('What it was answered; empty where nothing was sent.'),
  reasons: texts('Why, in the order of the decision.'),
  via: optionalText('The interface it was heard on.'),
});

const turn = Type.Optional(
  Type.Integer({ description: 'Its turn in the boot queue, from 1; absent: it does not wait there.' }),
);
const Overview = Type.Object({ machine: Machine, session: Type.Optional(Session), turn });
export const MachineList = Type.Object({ machines: Type.Array(Overview) });
const Once = Type.Object({
  role: Type.String(),
  state: Type.Enum(['next', 'underWay', 'used', 'spent']),
  tries: Type.Integer({ description: 'Boots that were begun.' }),
  usedAt: Type.Optional(time('When it succeeded.')),
  isUnknown: Type.Optional(Type.Literal(true, { description: 'Whether it succeeded is not known.' })),
  standing: optionalText('What the machine is without it.'),
});
export const MachineDetail = Type.Object({
  machine: Machine,
  sessions: Type.Array(Session, { description: 'Newest first.' }),
  once: Type.Optional(Once),
  turn,
});
export const EventList = Type.Object({ events: Type.Array(Event, { description: 'Oldest first.' }) });
export const Console = Type.Object({
  mac,
  lines: Type.Array(
    Type.Object({
      number: Type.Integer({ description: 'Counts up, of each machine.' }),
      at: time('When it came in.'),
      facility: Type.String(),
      severity: Type.String(),
      program: Type.Optional(Type.String()),
      text: Type.String(),
      reasons: texts("iPXE's error numbers in words."),
    }),
    { description: 'Oldest first.' },
  ),
  missed: Type.Integer({ description: 'How many are forgotten before the first of these.' }),
});

const Assignment = Type.Object({
  from: Type.Enum(['once', 'entry', 'rule', 'default', 'none']),
  role: Type.Optional(Type.String()),
  own: optionalText('The role that its entry has.'),
  once: Type.Optional(Once),
  hostname: Type.Optional(Type.String()),
  address: optionalText('A reservation.'),
  file: Type.String(),
  line: Type.Optional(Type.Integer()),
  reasons: texts('Why it has this role.'),
  revision: text('Of the entry: send it with an edit, and no edit of another one is lost.'),
});
export const Preview = Type.Object({
  role: Type.String(),
  hostname: Type.String(),
  reasons: texts('Why.'),
  script: text('For iPXE.'),
  config: optionalText('The main document. Secrets are masked.'),
  files: Type.Optional(
    Type.Array(
      Type.Object({
        path: text('Below the URL of the session: nocloud/meta-data.'),
        text: text('Secrets are masked.'),
      }),
    ),
  ),
});
export const Explanation = Type.Object({
  mac: Type.String(),
  machine: Type.Optional(Machine),
  session: Type.Optional(Session),
  assignment: Assignment,
  decision: Type.Enum(['boot', 'wait', 'refuse']),
  reasons: texts('Why, in the order of the decision.'),
  message: Type.String(),
  bootfile: Type.Optional(
    Type.Object({ architecture: Type.String(), file: Type.Optional(Type.String()), reasons: texts('Why.') }),
  ),
  dhcp: Type.Object({
    mode: Type.Enum(['proxy', 'server', 'off']),
    interface: Type.Optional(Type.String()),
    answers: Type.Array(
      Type.Object({ asked: Type.String(), answer: text('Empty: silence.'), reasons: texts('Why.') }),
    ),
    note: Type.Optional(Type.String()),
  }),
  preview: Type.Optional(Preview),
  problems: Type.Array(Problem),
  diagnosis: Type.Optional(Diagnosis),
  lastEvent: Type.Optional(Event),
});

export const Power = Type.Object({
  mac,
  kind: Type.Enum([...POWER_KINDS]),
  action: Type.Enum([...POWER_ACTIONS]),
  state: Type.Optional(Type.Enum(['on', 'off'], { description: 'As it was before; absent: not known.' })),
  did: text('What was asked for, in the words of the protocol.'),
  notes: texts('What could not be done besides.'),
});

const queued = {
  mac: Type.Optional(mac),
  hostname: optionalText('As it is called, if it is known.'),
  address: optionalText('A dotted quad.'),
  since: time('When it first asked.'),
};
export const Queue = Type.Object({
  downloads: Type.Integer({ description: 'So many load at once; 0: any number, and nobody waits.' }),
  largerThan: Type.Integer({ description: 'Bytes: smaller files wait for nobody.' }),
  counts: Type.Object({ loading: Type.Integer(), waiting: Type.Integer() }),
  loading: Type.Array(
    Type.Object({
      ...queued,
      from: time('When it got its place.'),
      downloads: Type.Integer({ description: 'That run.' }),
    }),
    { description: 'The first thousand.' },
  ),
  waiting: Type.Array(
    Type.Object({
      ...queued,
      position: Type.Integer({ description: '1: the next.' }),
      estimate: Type.Optional(
        Type.Integer({ description: 'Milliseconds that it likely still waits; absent: not known yet.' }),
      ),
    }),
    { description: 'The first thousand.' },
  ),
});
