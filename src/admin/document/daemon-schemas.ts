import { Type } from 'typebox';
import { count, flag, mac, Problem, text, texts, time } from './text.ts';

const optionalText = (description: string) => Type.Optional(text(description));

export const Status = Type.Object({
  version: Type.String(),
  startedAt: time('When the daemon started.'),
  pid: Type.Optional(Type.Integer()),
  mode: Type.Enum(['proxy', 'server', 'off']),
  interfaces: Type.Array(
    Type.Object({
      name: Type.String(),
      addresses: texts('Empty where it has none.'),
      state: Type.Enum(['serving', 'partly', 'waiting']),
      reason: Type.Optional(Type.String()),
      since: time('When it came into this state.'),
    }),
  ),
  catalog: Type.Object({
    generation: Type.Integer(),
    file: Type.String(),
    problems: Type.Array(Problem, { description: 'Why the files on disk are not in force.' }),
  }),
  leases: Type.Object({
    bound: count('Given.'),
    offered: count('Offered.'),
    declined: count('Resting, since a machine found them taken.'),
    pool: Type.Optional(count('Addresses that there are to give.')),
  }),
  database: Type.Object({ setAside: texts('Damaged databases; history began anew after each.') }),
  otherDhcpServers: Type.Array(
    Type.Object({
      interface: Type.String(),
      address: Type.String(),
      mac: Type.Optional(Type.String()),
      offered: optionalText('What it would give to a machine that it does not know.'),
      router: Type.Optional(Type.String()),
      firstSeen: time('When it was first heard.'),
      lastSeen: time('When it was last heard.'),
    }),
  ),
  mirrors: Type.Optional(
    Type.Array(
      Type.Object({
        url: Type.String(),
        place: text('For which machines.'),
        state: Type.Enum(['up', 'down', 'unknown']),
        since: time('When it came into this state.'),
        reason: optionalText('Why it is down.'),
        lacks: texts('Files that it has not as they are here.'),
      }),
      { description: 'assets.mirrors, as they did when they were last asked.' },
    ),
  ),
  pullThrough: Type.Optional(
    Type.Object(
      {
        from: Type.String(),
        files: count('Kept.'),
        bytes: count('That they and unfinished ones take.'),
        maxBytes: count('That they may take.'),
        fetching: count('Files under way.'),
        held: count('Requests that were served from what was here.'),
        joined: count('Requests that followed a fetch of another.'),
        fetched: count('Requests that began a fetch.'),
        unchecked: count('Served although it could not be asked whether there is a newer one.'),
        refused: count('Requests that got nothing.'),
        fetchedBytes: count('That came from there.'),
        upstream: Type.Enum(['up', 'down', 'unknown']),
        since: time('When it came into this state.'),
        reason: optionalText('Why it is down.'),
      },
      { description: 'assets.pullThrough, since the start.' },
    ),
  ),
  history: Type.Object({
    bytes: count('Of the database.'),
    used: count('Of these.'),
    events: count('Rows.'),
    sessions: count('Rows.'),
    machines: count('Rows.'),
    oldestEvent: Type.Optional(time('Of the oldest event.')),
    maxSize: count('Bytes that it may hold.'),
    keep: count('Seconds that it goes back.'),
  }),
  certificates: Type.Optional(
    Type.Array(Type.Object({ name: Type.String(), notAfter: time('Until when it is valid.') })),
  ),
  bootFiles: Type.Array(
    Type.Object({ architecture: Type.String(), file: Type.Union([Type.String(), Type.Null()]) }),
  ),
  uptime: count('Seconds.'),
  counters: Type.Record(Type.String(), Type.Number(), { description: 'Packets and requests of each kind.' }),
});

export const Assigned = Type.Object({
  mac,
  before: optionalText('The role that its entry had.'),
  role: optionalText('Absent: rules and default decide.'),
  once: optionalText('What it boots before, until that reports success.'),
  hostname: Type.Optional(Type.String()),
  address: Type.Optional(Type.String()),
  changed: Type.Boolean({ description: 'False: its entry said just this already.' }),
  file: text('The file that was edited.'),
});
export const Approved = Type.Object({
  mac,
  role: Type.String(),
  hostname: Type.String(),
  before: optionalText('The role that its entry had.'),
  changed: flag('False: it had just this entry already.'),
  seen: flag('False: it never asked here.'),
  file: text('The file that was edited.'),
});
export const Forgotten = Type.Object({
  mac,
  entry: flag('Its entry was removed.'),
  place: flag('It gave back the place that a rule had given it.'),
  history: Type.Enum(['forgotten', 'none', 'kept']),
  nodes: Type.Array(
    Type.Object({
      name: Type.String(),
      state: Type.Enum(['deleted', 'absent', 'left']),
      command: Type.Optional(Type.String()),
      problem: Type.Optional(Type.String()),
    }),
  ),
});
export const Admissions = Type.Object({
  admissions: Type.Array(Type.Object({ mac, rule: Type.String(), at: time('When.') })),
  onceUses: Type.Array(
    Type.Object({
      mac,
      role: Type.String(),
      since: time('When it was booted first.'),
      tries: Type.Integer({ description: 'Boots that were begun.' }),
      sessionId: Type.Optional(Type.Integer({ description: 'Of the newest of them.' })),
      doneAt: Type.Optional(time('When it succeeded: it is used up.')),
      isUnknown: Type.Optional(Type.Literal(true, { description: 'Whether it succeeded is not known.' })),
    }),
  ),
});
export const SigningToken = Type.Object({
  url: text('A secret, for the machine alone.'),
  expiresAt: time('When it ends.'),
});
export const Reloaded = Type.Object({ generation: Type.Integer(), problems: Type.Array(Problem) });
export const Log = Type.Object({
  level: Type.String(),
  parts: Type.Array(
    Type.Object({
      part: Type.String(),
      level: Type.String(),
      until: Type.Optional(time('When it goes back.')),
    }),
  ),
  traces: Type.Array(Type.Object({ mac, until: time('When it ends.') })),
});
export const Actor = Type.Object({
  name: text('A user of this host, or token for its holder.'),
  via: Type.Enum(['socket', 'token', 'page', 'daemon']),
  address: optionalText('Of the client, where it came by TCP.'),
});
export const Audit = Type.Object({
  records: Type.Array(
    Type.Object({
      at: time('When.'),
      actor: Actor,
      action: Type.String(),
      target: Type.Optional(Type.String()),
      outcome: Type.Enum(['done', 'refused', 'failed']),
      detail: text('What was changed to what, or why it was not.'),
    }),
    { description: 'Newest first.' },
  ),
});
export const Visitor = Type.Object({
  actor: Actor,
  csrfToken: optionalText('For a cookie: send it as x-csrf-token with what changes something.'),
});
export const Token = Type.Object({
  token: text('A secret.'),
  metricsToken: text('A secret, which opens /metrics alone.'),
});
export const Doctor = Type.Object({
  ok: flag('No finding is a problem.'),
  at: time('When.'),
  running: flag('Whether a daemon runs.'),
  findings: Type.Array(
    Type.Object({
      check: text('Kebab-case, stable.'),
      state: Type.Enum(['ok', 'warning', 'problem', 'skipped']),
      text: Type.String(),
      remedy: Type.Optional(Type.String()),
    }),
  ),
});

const role = {
  name: Type.String(),
  description: Type.String(),
  folder: Type.String(),
  boot: Type.Enum(['kernel', 'menu', 'local', 'hold']),
  identity: Type.String(),
  givenBy: Type.Array(Type.Object({ what: Type.String(), line: Type.Integer() })),
  machines: count('Whose newest boot had it.'),
  problems: Type.Array(Problem),
};
export const RoleList = Type.Object({
  roles: Type.Array(Type.Object(role)),
  problems: Type.Array(Problem),
});
export const RoleDetail = Type.Object({
  ...role,
  files: Type.Array(Type.Object({ name: Type.String(), text: Type.String() })),
  usedBy: Type.Array(Type.Object({ mac: Type.String(), hostname: Type.Optional(Type.String()) })),
});

export const ProblemDocument = Type.Object(
  {
    type: text('urn:tinderbox:problem: and a code.'),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String(),
    remedy: optionalText('What can be done.'),
    problems: Type.Optional(Type.Array(Problem)),
    errors: Type.Optional(
      Type.Array(Type.Object({ pointer: text('A JSON pointer.'), detail: Type.String() }), {
        description: 'Which fields of the request are wrong.',
      }),
    ),
  },
  { description: 'RFC 9457.' },
);
