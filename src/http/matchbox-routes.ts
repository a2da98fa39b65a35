import type { BootPlan } from '../boot/boot-plan.ts';
import { maskSecrets } from '../boot/mask-secrets.ts';
import { isSecretBelow } from '../boot/secret-names.ts';
import { printable } from '../document/printable.ts';
import { type TinderboxError, toTinderboxError } from '../errors.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { Mac } from '../machine/mac.ts';
import type { ConfigFormat, ParameterValue } from '../machine/role.ts';
import type { BootSession } from '../machine/session.ts';
import { renderMetadata } from '../render/render-metadata.ts';
import { type Answer, type BootRequest, originOf, type RouteDeps, refuse } from './answer.ts';
import { parseBootQuery } from './parse-boot-query.ts';
import type { BootablePlan } from './port.ts';

/** matchbox's names, and the formats that each of them gives. */
const FORMATS = {
  ignition: ['ignition'],
  cloud: ['cloud-config', 'nocloud'],
  generic: ['raw'],
  metadata: [],
} as const satisfies Record<string, readonly ConfigFormat[]>;
export type MatchboxRoute = keyof typeof FORMATS;
export const MATCHBOX_ROUTES = Object.keys(FORMATS) as readonly MatchboxRoute[];

/** No session has this number: a configuration that names it would have given a session's URL away. */
const NO_SESSION = '/boot/0-no-session';
const RAW_QUERY_LIMIT = 1_024;

type Refused = { readonly status: number; readonly line: string; readonly reason?: string };

/**
 * `GET /ignition?mac=…`, `/cloud`, `/generic`, `/metadata`, as matchbox has them: selected by the query and by nothing
 * that proves who asks. So they give what the script of the same query would lead to, but never anything of which
 * there is one copy a machine, or that looks like a secret (ADR 0045).
 */
export async function answerMatchbox(
  deps: RouteDeps,
  request: BootRequest,
  route: MatchboxRoute,
  query: Readonly<Record<string, unknown>>,
  rawQuery: string,
): Promise<Answer> {
  const parsed = parseBootQuery(query, deps.clock());
  if (parsed.kind === 'bad') {
    deps.journal.count('http.bad-boot-query');
    return refuse(400, parsed.message.replace('/ipxe', `/${route}`).replace(', as /boot.ipxe does', ''));
  }
  const { mac } = parsed.facts;
  const known = deps.journal.machine(mac);
  if (deps.matchbox === undefined || known === undefined) {
    deps.journal.count('http.matchbox-stranger');
    return refuse(404, `no machine ${mac} was heard here yet; boot it from the network once`);
  }
  const session = deps.journal.sessionOf(mac);
  const isOwn = request.remote !== undefined && session?.address === request.remote;
  const facts: MachineFacts = { ...known, labels: {}, ...parsed.facts };
  const plan = await deps.matchbox.plan(facts);
  const made =
    whyNot(deps, request, route, mac, plan) ?? make(deps, request, route, { plan, facts, rawQuery });
  const reasons = [
    `asked as of matchbox, by ${isOwn ? 'the address that fetched its script' : 'an address that is not known for its own'}`,
    ...('reason' in made && made.reason !== undefined ? [made.reason] : []),
    ...plan.reasons,
  ];
  const isPart = isOwn && session !== undefined && session.end === undefined;
  deps.journal.record({
    ...originOf(deps, request),
    kind: 'http.config',
    mac,
    outcome: made.status === 200 ? 'answered' : made.status === 500 ? 'failed' : 'refused',
    answered: made.status === 200 ? `the ${route} of role ${roleOf(plan)}` : String(made.status),
    reasons,
    // Who only knows the MAC must not be able to say how far the machine is.
    ...(isPart && made.status === 200 && route !== 'metadata' ? { stage: 'config' } : {}),
  });
  return 'line' in made ? refuse(made.status, made.line) : made;
}

function roleOf(plan: BootPlan): string {
  return plan.kind === 'boot' ? plan.role.name : 'none';
}

function whyNot(
  deps: RouteDeps,
  request: BootRequest,
  route: MatchboxRoute,
  mac: Mac,
  plan: BootPlan,
): Refused | undefined {
  const other = request.remote === undefined ? undefined : deps.journal.macAt(request.remote);
  if (other !== undefined && other !== mac) {
    const line = `this address is that of another machine, ${other}`;
    return { status: 403, line, reason: `${line}, which asked for it` };
  }
  if (plan.kind !== 'boot') {
    return { status: 403, line: `this machine is not admitted; see: tinderbox machines ${mac}` };
  }
  const { role } = plan;
  if (role.identity !== 'none' || deps.credentials?.releasesSecrets(role) === true) {
    return {
      status: 403,
      line: `role ${role.name} has certificates: its configuration is given to its boot session only; use {{configUrl}} in its kernel arguments`,
    };
  }
  const formats: readonly ConfigFormat[] = FORMATS[route];
  const format = role.config?.format;
  if (route === 'metadata' || (format !== undefined && formats.includes(format))) return undefined;
  const has = format === undefined ? 'no configuration' : `a configuration of the format ${format}`;
  return { status: 404, line: `role ${role.name} has ${has}, which /${route} does not give` };
}

interface Made {
  readonly plan: BootPlan;
  readonly facts: MachineFacts;
  readonly rawQuery: string;
}

function make(
  deps: RouteDeps,
  request: BootRequest,
  route: MatchboxRoute,
  { plan, facts, rawQuery }: Made,
): Answer | Refused {
  if (plan.kind !== 'boot') throw new TypeError('only what boots has a configuration');
  if (route === 'metadata') return { status: 200, text: metadataOf(plan, facts, rawQuery) };
  const { mac } = facts;
  try {
    const context = deps.buildContext({
      plan,
      facts,
      session: noSession(mac),
      server: request.server,
      sessionUrl: `${request.server.url}${NO_SESSION}`,
      remote: request.remote,
    });
    const { body, contentType } = deps.renderer.renderConfig(plan.role, context);
    if (body.includes(NO_SESSION)) {
      return {
        status: 403,
        line: `the configuration of role ${plan.role.name} speaks of its boot session; use {{configUrl}} in its kernel arguments`,
      };
    }
    if (maskSecrets(body, plan.parameters) !== body) {
      return {
        status: 403,
        line: `the configuration of role ${plan.role.name} holds what looks like a secret: it is given to its boot session only; use {{configUrl}} in its kernel arguments`,
      };
    }
    return {
      status: 200,
      text: body,
      headers: { 'content-type': contentType, 'cache-control': 'no-store' },
    };
  } catch (thrown) {
    const error: TinderboxError = toTinderboxError(thrown);
    const role = plan.role.name;
    deps.complain('config', 'error', { mac, role, err: error }, 'the configuration could not be rendered');
    return {
      status: 500,
      line: `the configuration could not be rendered; see: tinderbox machines ${mac}`,
      reason: `the configuration of role ${role} could not be rendered: ${error.message}`,
    };
  }
}

function metadataOf(plan: BootablePlan, facts: MachineFacts, rawQuery: string): string {
  const { mac, uuid, labels = {} } = facts;
  return renderMetadata({
    ...labels,
    ...withoutSecrets(plan.parameters, false),
    mac,
    request: {
      query: { ...labels, mac, ...(uuid === undefined ? {} : { uuid }) },
      raw_query: printable(rawQuery, RAW_QUERY_LIMIT),
    },
  });
}

type Values = Readonly<Record<string, ParameterValue>>;

/** By their names, at any depth. */
function withoutSecrets(values: Values, isSecret: boolean): Values {
  return Object.fromEntries(
    Object.entries(values).flatMap(([name, value]): [string, ParameterValue][] => {
      const secret = isSecretBelow(name, isSecret);
      const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
      if (isMap) return [[name, withoutSecrets(value as Values, secret)]];
      return secret ? [] : [[name, value]];
    }),
  );
}

function noSession(mac: Mac): BootSession {
  return { id: 0, mac, openedAt: 0, updatedAt: 0, stage: 'discovered', stageTimes: {} };
}
