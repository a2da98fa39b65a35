import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { ConfigFormat, Role } from '../machine/role.ts';
import { type ConfigDocument, configDocuments } from '../render/config-documents.ts';
import { type Answer, type BootRequest, originIn, type RouteDeps, refuse } from './answer.ts';
import { choosePlan, findAge, refuseFormer } from './choose-plan.ts';
import { findSession } from './find-session.ts';
import type { PlanMemory } from './plan-memory.ts';
import { answerRelease, type Releases } from './session-release.ts';

/** What is asked for: a format's main document, or a file beside it. */
export interface AskedDocument {
  readonly format: ConfigFormat;
  readonly file?: string;
}

/**
 * `GET /boot/<session>/cloud-config`, or another format's (render/config-documents.ts): the machine's configuration, made at this moment.
 * What cannot be rendered is an error 500, never an empty text with 200: an empty cloud-config boots into a machine that
 * nobody can enter. The main document proves the stage `config` and releases secrets; the files beside it never hold any,
 * and are given as often as they are asked for.
 */
export async function answerSessionConfig(
  deps: RouteDeps,
  plans: PlanMemory,
  releases: Releases,
  request: BootRequest,
  token: string,
  asked: AskedDocument,
): Promise<Answer> {
  const { file } = asked;
  const kind = file === undefined ? 'http.config' : 'http.config-file';
  const found = findSession(deps, request, kind, token);
  if (found.kind === 'refused') return found.answer;
  const { session, notes } = found;
  const { mac } = session;
  const observed = { ...originIn(deps, request, session), kind } as const;
  const refused = (status: number, line: string, reason: string): Answer => {
    deps.journal.record({
      ...observed,
      outcome: 'refused',
      answered: String(status),
      reasons: [...notes, reason],
    });
    return refuse(status, line);
  };

  if (session.signingUntil !== undefined) {
    // Else whoever finds an image could have what its machine may be given only once.
    return refused(
      403,
      'this URL is for signing requests only; the configuration of its machine is on the image',
      'it was asked for with a signing token, which gives no configuration',
    );
  }
  const old = findAge(deps, session, observed.at);
  if (old !== undefined) {
    deps.journal.count('http.expired-session');
    return refused(410, old.line, old.reason);
  }
  const facts = deps.journal.machine(mac) ?? { mac };
  const chosen = await choosePlan(deps, plans, session, facts);
  if (chosen.kind === 'refused') return refused(chosen.status, chosen.line, chosen.reason);
  const { plan, reasons } = chosen;
  const choice = chooseDocument(plan.role, asked);
  if ('line' in choice) return refused(404, choice.line, choice.reason);
  const sessionUrl = `${request.server.url}/boot/${token}`;
  if (file === undefined && deps.credentials?.releasesSecrets(plan.role) === true) {
    if (chosen.isFormer) {
      const { status, line, reason } = refuseFormer(`${reasons.join('; ')}, but gets no keys of it`);
      return refused(status, line, reason);
    }
    return answerRelease(deps, releases, request, {
      credentials: deps.credentials,
      session,
      plan,
      facts,
      sessionUrl,
      reasons: [...notes, ...reasons],
    });
  }
  try {
    const context = deps.buildContext({
      plan,
      facts,
      session,
      server: request.server,
      sessionUrl,
      remote: request.remote,
    });
    const { body: text, contentType } = deps.renderer.renderConfig(plan.role, context, file);
    if (text.trim() === '' && file === undefined)
      throw new TinderboxError('invalid-template', 'the template rendered to nothing');
    // Once: its length is asked for again and again on its way, and each time a text would be gone through.
    const body = Buffer.from(text);
    deps.journal.record({
      ...observed,
      outcome: 'answered',
      answered: `the ${choice.title} of role ${plan.role.name} for ${plan.hostname}, ${body.length} bytes`,
      reasons: [...notes, ...reasons],
      ...(file === undefined ? { stage: 'config' } : {}),
    });
    return { status: 200, text: body, headers: { 'content-type': contentType, 'cache-control': 'no-store' } };
  } catch (thrown) {
    const error = toTinderboxError(thrown);
    const role = plan.role.name;
    deps.complain('config', 'error', { mac, role, err: error }, 'the configuration could not be rendered');
    deps.journal.record({
      ...observed,
      outcome: 'failed',
      answered: '500',
      reasons: [
        ...notes,
        `the ${file === undefined ? 'configuration' : choice.title} of role ${plan.role.name} could not be rendered: ${error.message}`,
      ],
    });
    return refuse(500, `the configuration could not be rendered; see: tinderbox machines ${mac}`);
  }
}

/** What of the role is meant, or why there is none. */
function chooseDocument(
  role: Role,
  { format, file }: AskedDocument,
): ConfigDocument | { readonly line: string; readonly reason: string } {
  const { name, config } = role;
  if (config === undefined) {
    return {
      line: `role ${name} has no configuration; remove the URL from its kernel arguments`,
      reason: `role ${name} has no config in ${role.file}`,
    };
  }
  if (config.format !== format) {
    const line = `the configuration of role ${name} is ${config.format}, not ${format}; its URL is {{configUrl}}`;
    return { line, reason: line };
  }
  const found = configDocuments(config).find((document) => document.file === file);
  if (found !== undefined) return found;
  const given = [...(config.files?.keys() ?? [])].join(', ') || 'none';
  const line = `role ${name} has no such file; its files: ${given}`;
  return { line, reason: line };
}
