import Handlebars from 'handlebars';
import { formatBytes } from '../../boot/describe-hardware.ts';
import { formatAge } from '../../boot/format-age.ts';
import { STAGES, type Stage } from '../../machine/stage.ts';
import { formatDuration } from './format-values.ts';
import { plainText } from './plain-text.ts';

/** What a helper is called with, after its arguments. */
interface Call {
  readonly hash: Readonly<Record<string, unknown>>;
  readonly data: { readonly root: { readonly now: number } };
}

const { SafeString, Utils } = Handlebars;
const escape = (text: string): string => Utils.escapeExpression(text);
type Markup = InstanceType<typeof SafeString>;

/**
 * The views' helpers, besides Handlebars' own. What each returns as markup it has escaped itself; everything else the
 * views escape.
 *
 * - `{{cut text 40}}`: a text of the network: without control characters, at most so long
 * - `{{ago ms}}`: how long ago, as a `<time>` that the page's script keeps current
 * - `{{clock ms}}`: the time of day and date, in UTC, as a `<time>`
 * - `{{hour ms}}`: the time of day alone, in UTC
 * - `{{duration ms}}`, `{{bytes n}}`, `{{count n}}`
 * - `{{progress stage tone}}`: how far a boot came, as a bar of nine
 * - `{{#if (is a b)}}`: whether two values are the same
 * - `{{#if (known a)}}`: whether there is a value, 0 too
 * - `{{plural n "machine"}}`: `1 machine`, `2 machines`
 */
export const VIEW_HELPERS = {
  cut(text: unknown, most: unknown): string {
    return plainText(typeof text === 'string' ? text : '', typeof most === 'number' ? most : undefined);
  },
  ago(at: unknown, call: Call): Markup {
    const ms = Number(at);
    return timeMarkup(ms, `${formatAge(call.data.root.now - ms)} ago`, ' data-ago');
  },
  clock(at: unknown): Markup {
    const ms = Number(at);
    return timeMarkup(ms, readableTime(ms), '');
  },
  hour(at: unknown): Markup {
    return timeMarkup(Number(at), isoTime(Number(at)).slice(11, 19), '');
  },
  duration: (ms: unknown): string => formatDuration(Number(ms)),
  bytes: (count: unknown): string => formatBytes(Number(count)),
  count: (count: unknown): string => Number(count).toLocaleString('en'),
  plural(count: unknown, noun: unknown): string {
    return `${Number(count).toLocaleString('en')} ${String(noun)}${Number(count) === 1 ? '' : 's'}`;
  },
  progress(stage: unknown, tone: unknown): Markup {
    const reached = STAGES.indexOf(stage as Stage) + 1;
    const label = `stage ${escape(String(stage))}, ${reached} of ${STAGES.length}`;
    return new SafeString(
      `<progress class="stages ${escape(String(tone))}" max="${STAGES.length}" value="${reached}" aria-label="${label}" title="${label}"></progress>`,
    );
  },
  is: (a: unknown, b: unknown): boolean => a === b,
  known: (value: unknown): boolean => value !== undefined,
} as const;

function timeMarkup(at: number, text: string, attribute: string): Markup {
  const time = isoTime(at);
  return new SafeString(
    `<time datetime="${time}" title="${escape(readableTime(at))}"${attribute}>${escape(text)}</time>`,
  );
}

const readableTime = (at: number): string => `${isoTime(at).slice(0, 19).replace('T', ' ')} UTC`;

/** A clock that was wrong may have written any number. */
function isoTime(at: number): string {
  const isTime = Number.isFinite(at) && Math.abs(at) <= 8.64e15;
  return new Date(isTime ? at : 0).toISOString();
}
