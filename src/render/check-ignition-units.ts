import { checkUnits } from './check-units.ts';
import type { ConfigProblem } from './cloud-config-schema.ts';
import type { IgnitionUnit } from './ignition-config.ts';

/** What Ignition places; networkd's files it knows as files only. */
const SUFFIX = /\.(service|socket|device|mount|automount|swap|target|path|timer|slice|scope)$/;

/**
 * Ignition only warns of an enabled unit that has no [Install], and then nothing starts it: here that is an error, as
 * everything is that check-units.ts knows of systemd.
 */
export function checkIgnitionUnits(units: readonly IgnitionUnit[]): readonly ConfigProblem[] {
  const asCloudConfig = units.map(({ name, enabled, mask, contents, dropins }) => ({
    name,
    ...(enabled === undefined ? {} : { enable: enabled }),
    ...(mask === undefined ? {} : { mask }),
    ...(contents === undefined || contents === '' ? {} : { content: contents }),
    ...(dropins === undefined
      ? {}
      : { drop_ins: dropins.map((dropin) => ({ name: dropin.name, content: dropin.contents ?? '' })) }),
  }));
  return [
    ...checkUnits(asCloudConfig).map(({ path, message }) => ({
      path: ['systemd', ...path.slice(1).map((part) => NAMES[part] ?? part)],
      message,
    })),
    ...units.flatMap((unit, index) => checkUnit(unit, ['systemd', 'units', index])),
  ];
}

/** Of cloud-config to those of Ignition. */
const NAMES: Readonly<Record<string | number, string>> = {
  enable: 'enabled',
  content: 'contents',
  drop_ins: 'dropins',
};

function checkUnit(unit: IgnitionUnit, path: ConfigProblem['path']): readonly ConfigProblem[] {
  const { name, contents = '', dropins = [], mask, enabled } = unit;
  const problems: ConfigProblem[] = [];
  const complain = (message: string, ...field: ConfigProblem['path']) =>
    problems.push({ path: [...path, ...field], message });
  if (/\.(network|netdev|link)$/.test(name))
    complain(`\`${name}\` is networkd's: write it as a file below /etc/systemd/network`, 'name');
  else if (!SUFFIX.test(name)) complain('this is no name of a unit that Ignition places', 'name');
  if (mask === true && contents !== '')
    complain('a masked unit has no contents: its file is a link to /dev/null', 'mask');
  if (mask === true && enabled === true) complain('a masked unit starts never: it is not enabled', 'mask');
  const wrong = describeWrongUnit(contents);
  if (wrong !== undefined) complain(wrong, 'contents');
  for (const [index, dropin] of dropins.entries()) {
    const fault = describeWrongUnit(dropin.contents ?? '');
    if (fault !== undefined) complain(fault, 'dropins', index, 'contents');
  }
  return problems;
}

/** The syntax of systemd.syntax(7), as far as Ignition parses it. Values are not quoted. */
function describeWrongUnit(contents: string): string | undefined {
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u0008\u000b-\u001f]/.test(contents)) return 'a unit holds no control characters';
  let hasSection = false;
  let continues = false;
  for (const [index, line] of contents.split('\n').entries()) {
    const at = `line ${index + 1} of the unit`;
    const isComment = /^\s*[#;]/.test(line);
    if (continues) {
      // A comment between continued lines is skipped, and the next one goes on.
      continues = isComment || line.endsWith('\\');
      continue;
    }
    if (isComment || line.trim() === '') continue;
    if (/^\s*\[/.test(line)) {
      if (!/^\[[^\][]+\]\s*$/.test(line)) return `${at}: a section is written [Name]`;
      hasSection = true;
      continue;
    }
    if (!/^\s*[^=\s][^=]*=/.test(line)) return `${at}: neither a [Section] nor a setting with a = in it`;
    if (!hasSection) return `${at}: a setting before the first [Section]`;
    if (Buffer.byteLength(line) > LONGEST_LINE) return `${at}: longer than ${LONGEST_LINE} bytes`;
    continues = line.endsWith('\\');
  }
  return undefined;
}

/** go-systemd's SYSTEMD_LINE_MAX, which Ignition's parser has. */
const LONGEST_LINE = 2048;
