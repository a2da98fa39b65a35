import { describeOnceState } from '../../boot/describe-once.ts';
import { toTinderboxError } from '../../errors.ts';
import type { Mac } from '../../machine/mac.ts';
import type { ConsoleView } from '../console-api.ts';
import type { ExplainView, PreviewView } from '../explain-api.ts';
import type { AdminServerOptions } from '../port.ts';
import { type ProblemRow, problemRows } from './problem-rows.ts';

/** What the machine's page says beside what happened: console, why it gets what it gets, what it would be served. */
export interface ConsoleModel {
  readonly lines: readonly {
    readonly at: number;
    readonly tone: string;
    readonly program: string | undefined;
    readonly text: string;
    /** An error number in words. */
    readonly reasons: readonly string[];
  }[];
  /** Lines before these. */
  readonly omitted: number;
}

export interface WhyModel {
  readonly role: string | undefined;
  readonly from: string;
  /** How it stands with the `once:` of its entry. */
  readonly once: string | undefined;
  readonly place: string;
  readonly decision: 'boot' | 'wait' | 'refuse';
  readonly message: string;
  readonly reasons: readonly string[];
  readonly bootfile:
    | {
        readonly file: string | undefined;
        readonly architecture: string;
        readonly reasons: readonly string[];
      }
    | undefined;
  readonly problems: readonly ProblemRow[];
  readonly answers: readonly {
    readonly asked: string;
    readonly answer: string;
    readonly reasons: readonly string[];
  }[];
  readonly note: string | undefined;
}

export interface ServedModel {
  readonly role: string;
  readonly hostname: string;
  readonly reasons: readonly string[];
  readonly script: string;
  readonly config: string | undefined;
  readonly configLines: number;
  readonly files: readonly { readonly path: string; readonly text: string }[];
}

/** Why nothing would be served. */
export interface Refusal {
  readonly message: string;
  readonly remedy: string | undefined;
  readonly problems: readonly ProblemRow[];
}

const MOST_LINES = 300;
/** Characters of a configuration on the page; a controller's has some hundred thousand. */
const MOST_TEXT = 400_000;

const SEVERITY_TONES: Readonly<Record<string, string>> = {
  emerg: 'bad',
  alert: 'bad',
  crit: 'bad',
  err: 'bad',
  warning: 'warn',
};

export function consoleModel({ lines, missed }: ConsoleView): ConsoleModel {
  const shown = lines.slice(-MOST_LINES);
  return {
    lines: shown.map(({ at, severity, program, text, reasons }) => ({
      at,
      program,
      text,
      reasons,
      tone: SEVERITY_TONES[severity] ?? 'usual',
    })),
    omitted: missed + lines.length - shown.length,
  };
}

const FROM = {
  once: 'once: of its own entry',
  entry: 'its own entry',
  rule: 'a rule',
  default: 'the default',
  none: 'nothing: no entry, no rule and no default',
} as const;

/** As the page's times without its script: UTC. */
const minuteOf = (at: number): string => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

export function whyModel(view: ExplainView): WhyModel {
  const { assignment, decision, message, bootfile, problems, dhcp } = view;
  const { from, role, once, file, line } = assignment;
  return {
    role,
    from: FROM[from],
    once: once === undefined ? undefined : `${once.role}: ${describeOnceState(once, minuteOf)}`,
    place: line === undefined ? file : `${file}:${line}`,
    decision,
    message,
    reasons: [...assignment.reasons, ...view.reasons],
    bootfile:
      bootfile === undefined
        ? undefined
        : { file: bootfile.file, architecture: bootfile.architecture, reasons: bootfile.reasons },
    problems: problemRows(problems),
    answers: dhcp.answers,
    note: dhcp.note,
  };
}

/** What would be served now, or with this role; or why nothing would. */
export async function servedModel(
  { roles }: Pick<AdminServerOptions, 'roles'>,
  mac: Mac,
  role: string | undefined,
): Promise<{ readonly served: ServedModel | undefined; readonly refusal: Refusal | undefined }> {
  try {
    return { served: shape(await roles.preview(mac, role)), refusal: undefined };
  } catch (thrown) {
    return { served: undefined, refusal: refusalOf(thrown) };
  }
}

/** Throws what is none of ours: that is for the log. */
export function refusalOf(thrown: unknown): Refusal {
  const error = toTinderboxError(thrown);
  if (error.code === 'internal') throw error;
  return { message: error.message, remedy: error.remedy, problems: problemRows(error.problems) };
}

function shape({ role, hostname, reasons, script, config, files = [] }: PreviewView): ServedModel {
  return {
    role,
    hostname,
    reasons,
    script: bounded(script),
    config: config === undefined ? undefined : bounded(config),
    configLines: config === undefined ? 0 : config.split('\n').length,
    files: files.map(({ path, text }) => ({ path, text: bounded(text) })),
  };
}

function bounded(text: string): string {
  return text.length <= MOST_TEXT
    ? text
    : `${text.slice(0, MOST_TEXT)}\n… ${text.length - MOST_TEXT} more characters`;
}
