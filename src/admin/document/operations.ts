import { type TSchema, Type } from 'typebox';
import { LOG_LEVELS, LOGGER_NAMES } from '../../logger.ts';
import { FLEET_STATES } from '../../machine/fleet-state.ts';
import { MACHINE_SORTS } from '../../store/port.ts';
import * as daemon from './daemon-schemas.ts';
import * as machine from './machine-schemas.ts';
import { mac } from './text.ts';

export interface Operation {
  readonly tag: 'machines' | 'roles' | 'changes' | 'daemon' | 'access';
  readonly summary: string;
  readonly params?: TSchema;
  readonly querystring?: TSchema;
  readonly body?: TSchema;
  /** Of 200: a schema, or the media type of what is no JSON. */
  readonly answer: TSchema | string;
}

const closed = { additionalProperties: false } as const;
const ofMachine = Type.Object({ mac });
const word = (description: string) => Type.Optional(Type.String({ maxLength: 253, description }));
const page = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, default: 100, description: 'More than 1000 count as 1000.' }),
  ),
  offset: Type.Optional(Type.Integer({ minimum: 0, default: 0 })),
};
const session = Type.Optional(Type.Integer({ minimum: 1, description: 'One boot.' }));
const change = {
  hostname: word('Absent: it keeps the one that it has.'),
  address: word('A reservation, as a dotted quad.'),
  revision: word(
    'Of the entry that was read: if it has changed since, nothing is written, and that is a conflict.',
  ),
};

/** Every route of the API, by method and path: what it takes and what it answers. Routes get their checks from here. */
export const OPERATIONS: Readonly<Record<string, Operation>> = {
  'GET /api/v1/machines': {
    tag: 'machines',
    summary: 'Who was seen, with the newest boot of each.',
    querystring: Type.Object({
      ...page,
      state: Type.Optional(Type.Union([Type.Enum([...FLEET_STATES]), Type.Literal('')])),
      role: Type.Optional(Type.String({ maxLength: 200 })),
      search: Type.Optional(Type.String({ maxLength: 200 })),
      sort: Type.Optional(Type.Union([Type.Enum([...MACHINE_SORTS]), Type.Literal('')])),
      order: Type.Optional(Type.Enum(['asc', 'desc', ''])),
    }),
    answer: machine.MachineList,
  },
  'GET /api/v1/machines/:mac': {
    tag: 'machines',
    summary: 'One machine, and its boots.',
    params: ofMachine,
    answer: machine.MachineDetail,
  },
  'GET /api/v1/machines/:mac/events': {
    tag: 'machines',
    summary: 'What it asked, what it was answered, and why.',
    params: ofMachine,
    querystring: Type.Object({ session, limit: Type.Optional(Type.Integer({ minimum: 1, default: 1000 })) }),
    answer: machine.EventList,
  },
  'GET /api/v1/machines/:mac/console': {
    tag: 'machines',
    summary: 'What it printed while it booted.',
    params: ofMachine,
    querystring: Type.Object({
      after: Type.Optional(
        Type.Integer({ minimum: 0, description: 'The number of the last line that one has.' }),
      ),
    }),
    answer: machine.Console,
  },
  'GET /api/v1/machines/:mac/explain': {
    tag: 'machines',
    summary: 'Why it gets what it gets, and what it would get now.',
    params: ofMachine,
    querystring: Type.Object({ arch: word('A firmware architecture, where it is not known.') }),
    answer: machine.Explanation,
  },
  'GET /api/v1/machines/:mac/preview': {
    tag: 'machines',
    summary: 'What it would be served with a role.',
    params: ofMachine,
    querystring: Type.Object({ role: word('Absent: its own.') }),
    answer: machine.Preview,
  },
  'GET /api/v1/machines/:mac/pcap': {
    tag: 'machines',
    summary: 'Its last packets.',
    params: ofMachine,
    querystring: Type.Object({ session }),
    answer: 'application/vnd.tcpdump.pcap',
  },
  'POST /api/v1/machines/:mac/signing-token': {
    tag: 'changes',
    summary: 'Lets it have certificates signed, beside its boots.',
    params: ofMachine,
    body: Type.Object({ days: Type.Integer({ minimum: 1, maximum: 30 }) }, closed),
    answer: daemon.SigningToken,
  },
  'GET /api/v1/machines/:mac/power': {
    tag: 'machines',
    summary: 'Whether it is on.',
    params: ofMachine,
    answer: machine.Power,
  },
  'POST /api/v1/machines/:mac/power': {
    tag: 'changes',
    summary: 'Turns it on or off.',
    params: ofMachine,
    body: Type.Object(
      {
        action: Type.Enum(['on', 'off', 'cycle']),
        pxe: Type.Optional(Type.Boolean({ description: 'From the network, at its next boot.' })),
      },
      closed,
    ),
    answer: machine.Power,
  },
  'GET /api/v1/queue': {
    tag: 'machines',
    summary: 'Who loads, who waits for its turn to, and for how long.',
    answer: machine.Queue,
  },
  'POST /api/v1/queue/:mac/first': {
    tag: 'changes',
    summary: 'Lets a machine that waits for its turn be the next.',
    params: ofMachine,
    answer: machine.Queue,
  },
  'GET /api/v1/events': {
    tag: 'machines',
    summary: 'Live events, as server-sent events; Last-Event-ID is honoured.',
    querystring: Type.Object({ mac: Type.Optional(mac) }),
    answer: 'text/event-stream',
  },
  'GET /api/v1/roles': { tag: 'roles', summary: 'What roles there are.', answer: daemon.RoleList },
  'GET /api/v1/roles/:name': {
    tag: 'roles',
    summary: 'One role, with its files.',
    params: Type.Object({ name: Type.String({ maxLength: 253 }) }),
    answer: daemon.RoleDetail,
  },
  'POST /api/v1/assign': {
    tag: 'changes',
    summary: 'Gives a machine a role.',
    body: Type.Object(
      {
        mac,
        role: word('Wanted, but for `once: false`.'),
        once: Type.Optional(
          Type.Boolean({
            description:
              'true: the role is booted once, until a boot reports success, and its own role stays; also if that was used up before. false: it is booted once no more.',
          }),
        ),
        ...change,
      },
      closed,
    ),
    answer: daemon.Assigned,
  },
  'POST /api/v1/approve': {
    tag: 'changes',
    summary: 'Lets a machine in.',
    body: Type.Object({ mac, role: word('Absent: rules and default decide.'), ...change }, closed),
    answer: daemon.Approved,
  },
  'POST /api/v1/forget': {
    tag: 'changes',
    summary: 'Removes its entry and all that is known of it.',
    body: Type.Object({ mac }, closed),
    answer: daemon.Forgotten,
  },
  'GET /api/v1/admissions': {
    tag: 'machines',
    summary: 'Whom rules with `max` have admitted, and what became of each `once:`.',
    answer: daemon.Admissions,
  },
  'GET /api/v1/status': { tag: 'daemon', summary: 'What the daemon says of itself.', answer: daemon.Status },
  'POST /api/v1/reload': { tag: 'daemon', summary: 'Reads profiles/ again.', answer: daemon.Reloaded },
  'GET /api/v1/log': { tag: 'daemon', summary: 'What is logged.', answer: daemon.Log },
  'POST /api/v1/log': {
    tag: 'daemon',
    summary: 'Changes what is logged, for a while.',
    body: Type.Object(
      {
        reset: Type.Optional(Type.Literal(true)),
        level: Type.Optional(Type.Enum([...LOG_LEVELS])),
        part: Type.Optional(Type.Enum(LOGGER_NAMES.filter((name) => name !== 'trace'))),
        trace: Type.Optional(mac),
        seconds: Type.Integer({ minimum: 1, maximum: 604_800 }),
      },
      closed,
    ),
    answer: daemon.Log,
  },
  'POST /api/v1/backup': {
    tag: 'daemon',
    summary: 'The database as it is now.',
    answer: 'application/vnd.sqlite3',
  },
  'POST /api/v1/doctor': {
    tag: 'daemon',
    summary: 'Looks at everything; takes seconds.',
    answer: daemon.Doctor,
  },
  'GET /api/v1/audit': {
    tag: 'access',
    summary: 'Who changed what.',
    querystring: Type.Object(page),
    answer: daemon.Audit,
  },
  'GET /api/v1/session': { tag: 'access', summary: 'Who asks.', answer: daemon.Visitor },
  'GET /api/v1/token': {
    tag: 'access',
    summary: 'The token; through the unix socket alone.',
    answer: daemon.Token,
  },
  'POST /api/v1/token/renew': {
    tag: 'access',
    summary: 'Makes another token; through the unix socket alone.',
    answer: daemon.Token,
  },
  'GET /api/v1/openapi.json': {
    tag: 'daemon',
    summary: 'This document.',
    answer: Type.Unsafe<Record<string, unknown>>({ type: 'object' }),
  },
};
