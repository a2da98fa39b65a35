import type { Problem } from '../errors.ts';
import { checkCloudInit, isMap as isYamlMap } from './check-cloud-init.ts';
import { checkMultipart } from './check-multipart.ts';
import { type TextPlace, textProblem } from './render-text.ts';
import { readRenderedYaml } from './rendered-yaml.ts';

type Check = (body: string, place: TextPlace) => readonly Problem[];

/**
 * By their first line, as cloud-init tells them apart (its `handlers/__init__.py`): there the beginning counts in any case and after
 * any white space; here the whole word must stand there, since `#cloud-configs` is a slip.
 */
const KINDS: readonly (readonly [RegExp, Check])[] = [
  [/^#cloud-config[ \t]*$/, checkCloudConfigText],
  [/^#cloud-config-archive[ \t]*$/, checkArchive],
  [/^#!\s*\/\S/, () => []],
  [/^#include(-once)?([ \t].*)?$/, checkInclude],
  [/^#cloud-boothook[ \t]*$/, checkHasMore],
  [/^#part-handler[ \t]*$/, checkHasMore],
  [/^## template: ?jinja[ \t]*$/, checkJinja],
];

const ALLOWED = '#cloud-config, a script (#!/…), #include, ## template: jinja, a MIME multipart';

/**
 * All that is wrong with what is served as user-data or vendor-data: of a kind that cloud-init does not know, no sound YAML, or keys that
 * it does not take. Lines are those of the rendered text.
 */
export function checkUserData(body: string, file: string): readonly Problem[] {
  // Anywhere, as there.
  if (/mime-version:/i.test(body.slice(0, 4096))) return checkMultipart(body, file, checkPart);
  return checkPart(body, { file, linesBefore: 0 });
}

function checkPart(body: string, place: TextPlace): readonly Problem[] {
  if (body.trim() === '') return [at(place, 'it is empty')];
  const first = (body.split('\n', 1)[0] ?? '').replace(/\r$/, '');
  const check = KINDS.find(([pattern]) => pattern.test(first))?.[1];
  if (check !== undefined) return check(body, place);
  const isNear = /^\s*#+\s*cloud-config\s*$/i.test(first);
  const message = isNear
    ? 'the first line must be `#cloud-config` exactly'
    : `cloud-init would not know what this is; it takes by their first line: ${ALLOWED}`;
  return [at(place, message)];
}

function checkCloudConfigText(body: string, { file, linesBefore }: TextPlace): readonly Problem[] {
  const read = readRenderedYaml(body, file, { aliases: true, linesBefore });
  if (read.problems.length > 0) return read.problems;
  if (!read.isMap || Object.keys(read.value as object).length === 0)
    return [at({ file, linesBefore }, 'the cloud-config is empty or no map')];
  return checkCloudInit(read.value).map(({ path, message }) => read.problemAt(path, message));
}

function checkArchive(body: string, place: TextPlace): readonly Problem[] {
  const { linesBefore, file } = place;
  const read = readRenderedYaml(body, file, { aliases: true, linesBefore });
  if (read.problems.length > 0) return read.problems;
  const parts = Array.isArray(read.value) ? read.value : [];
  if (parts.length === 0) return [at(place, 'a cloud-config-archive is a list of parts')];
  return parts.flatMap((part: unknown, index) => {
    const isSound = typeof part === 'string' || (isYamlMap(part) && typeof part['content'] === 'string');
    return isSound ? [] : [read.problemAt([index], 'a part is a text, or a map with `content`')];
  });
}

function checkInclude(body: string, place: TextPlace): readonly Problem[] {
  const lines = body.split('\n').map((line) => line.replace(/^#include(-once)?/, '').trim());
  const urls = lines.flatMap((url, index) => (url === '' || url.startsWith('#') ? [] : [{ url, index }]));
  if (urls.length === 0) return [at(place, '`#include` names no URL')];
  return urls
    .filter(({ url }) => !/^(https?|file):\/\/\S+$/.test(url))
    .map(({ index }) => at(place, 'each line below `#include` is a URL (http, https or file)', index + 1));
}

function checkHasMore(body: string, place: TextPlace): readonly Problem[] {
  return body.split('\n').slice(1).join('').trim() === ''
    ? [at(place, 'nothing follows its first line')]
    : [];
}

/** What its own templates come to is known on the machine alone; below them must stand what cloud-init knows. */
function checkJinja(body: string, place: TextPlace): readonly Problem[] {
  const second = body.split('\n')[1] ?? '';
  return /^#cloud-config[ \t]*$|^#!\s*\/\S|^#cloud-boothook[ \t]*$/.test(second)
    ? []
    : [at(place, 'below `## template: jinja` must stand `#cloud-config` or a script', 2)];
}

function at({ file, linesBefore }: TextPlace, message: string, line = 1): Problem {
  return textProblem(file, message, line + linesBefore);
}
