import type { Problem } from '../errors.ts';
import { type TextPlace, textProblem } from './render-text.ts';

/** Whose content is told apart by its first line. */
const BY_CONTENT = ['text/plain', 'text/x-not-multipart'];
/** cloud-init's handlers, and the first line that their content must have, if it must. */
const TYPES: ReadonlyMap<string, RegExp | undefined> = new Map([
  ['text/cloud-config', undefined],
  ['text/cloud-config-archive', undefined],
  ['text/cloud-config-jsonp', undefined],
  ['text/cloud-boothook', undefined],
  ['text/part-handler', undefined],
  ['text/jinja2', undefined],
  ['text/x-include-url', undefined],
  ['text/x-include-once-url', undefined],
  ['text/x-shellscript', /^#!/],
  ['text/x-shellscript-per-boot', /^#!/],
  ['text/x-shellscript-per-instance', /^#!/],
  ['text/x-shellscript-per-once', /^#!/],
]);

interface Part {
  readonly headers: ReadonlyMap<string, string>;
  readonly content: string;
  /** Lines of the whole text before the content. */
  readonly linesBefore: number;
}

/**
 * What is wrong with a MIME multipart: its frame, the types of its parts, and the parts that are readable as they stand.
 * Base64 is the work of a program, which is believed.
 */
export function checkMultipart(
  body: string,
  file: string,
  checkPart: (content: string, place: TextPlace) => readonly Problem[],
): readonly Problem[] {
  const whole = splitHeaders(body, 0);
  const boundary = /^multipart\/\w+;.*\bboundary="?([^";]+)"?/is.exec(
    whole.headers.get('content-type') ?? '',
  )?.[1];
  if (boundary === undefined) {
    return [textProblem(file, 'its headers name no `Content-Type: multipart/mixed; boundary="…"`')];
  }
  const parts = splitParts(body, boundary);
  if (parts === undefined)
    return [textProblem(file, 'the line that ends the multipart (`--boundary--`) is missing')];
  if (parts.length === 0) return [textProblem(file, 'the multipart has no part')];
  return parts.flatMap(({ headers, content, linesBefore }) => {
    const type = (headers.get('content-type') ?? 'text/plain').split(';', 1)[0]?.trim().toLowerCase() ?? '';
    const problem = (message: string): Problem => textProblem(file, message, linesBefore + 1);
    const isText = BY_CONTENT.includes(type);
    if (!isText && !TYPES.has(type)) return [problem('cloud-init has no handler for the type of this part')];
    if (/base64|quoted-printable/i.test(headers.get('content-transfer-encoding') ?? '')) return [];
    if (isText || type === 'text/cloud-config') {
      const isMarked = isText || /^#cloud-config\b/.test(content);
      // Its type says it already: the line may be missing.
      return isMarked
        ? checkPart(content, { file, linesBefore })
        : checkPart(`#cloud-config\n${content}`, { file, linesBefore: linesBefore - 1 });
    }
    const first = TYPES.get(type);
    return first === undefined || first.test(content) ? [] : [problem('a script begins with `#!`')];
  });
}

function splitParts(body: string, boundary: string): readonly Part[] | undefined {
  const lines = body.split('\n').map((line) => line.replace(/\r$/, ''));
  const end = lines.indexOf(`--${boundary}--`);
  if (end === -1) return undefined;
  const begins = lines.flatMap((line, index) => (line === `--${boundary}` && index < end ? [index] : []));
  return begins.map((begin, index) =>
    splitHeaders(lines.slice(begin + 1, begins[index + 1] ?? end).join('\n'), begin + 1),
  );
}

function splitHeaders(text: string, linesBefore: number): Part {
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const blank = lines.indexOf('');
  const end = blank === -1 ? lines.length : blank;
  // A line that begins with white space goes on with the one before it.
  const joined = lines
    .slice(0, end)
    .join('\n')
    .replaceAll(/\n[ \t]+/g, ' ')
    .split('\n');
  const headers = new Map(
    joined.flatMap((line) => {
      const [, name, value] = /^([\w-]+):\s*(.*)$/.exec(line) ?? [];
      return name === undefined || value === undefined ? [] : [[name.toLowerCase(), value] as const];
    }),
  );
  return { headers, content: lines.slice(end + 1).join('\n'), linesBefore: linesBefore + end + 1 };
}
