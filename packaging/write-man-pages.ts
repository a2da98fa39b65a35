import { REQUIRED, rowsOfFile } from '../schemas/generate-docs.ts';
import { type DescribedCommand, flatten } from './read-commands.ts';
import { bold, roffItem, roffMarkdown, roffPage, roffText, roffUsage, roffVerbatim } from './roff.ts';

interface PageSettings {
  readonly version: string;
  readonly sourceDate: number;
}

const FILES: readonly (readonly [string, string])[] = [
  ['/etc/tinderbox/tinderbox.yaml', 'the configuration, written by tinderbox init'],
  ['/etc/tinderbox/profiles/', 'who becomes what: machines.yaml, and a folder for each role'],
  ['/var/lib/tinderbox/state/', "the database, the key of session URLs, the cluster's authorities"],
  ['/var/lib/tinderbox/assets/', 'kernels, initrds and what else /assets serves'],
  ['/run/tinderbox/admin.sock', 'where the commands find the daemon; open to the group tinderbox'],
  ['/usr/share/tinderbox/', 'the roles, examples and JSON schemas as they ship'],
  ['/usr/share/doc/tinderbox/', 'the documentation'],
];

/** Where options are the same for every command they stand once. */
const COMMON = new Set(['--config', '--verbose', '--help']);

/** tinderbox(1): every command on one page. */
export function writeProgramPage(program: DescribedCommand, settings: PageSettings): string {
  const commands = flatten(program).slice(1);
  return roffPage({ name: 'tinderbox', section: 1, ...settings }, [
    '.SH NAME',
    `tinderbox \\- boots bare metal from the network`,
    '.SH SYNOPSIS',
    `${bold('tinderbox')} \\fIcommand\\fR [\\fIoption\\fR ...] [\\fIargument\\fR ...]`,
    '.SH DESCRIPTION',
    roffText(program.description),
    ...roffVerbatim(program.notes),
    '.SH OPTIONS',
    'Of every command:',
    ...program.options.flatMap(({ usage, description }) =>
      roffItem(roffUsage(usage), [roffText(description)]),
    ),
    '.SH COMMANDS',
    ...commands.flatMap(describeCommand),
    '.SH FILES',
    ...FILES.flatMap(([path, what]) => roffItem(`\\fI${roffText(path)}\\fR`, [roffText(what)])),
    '.SH EXIT STATUS',
    '0: ok, 1: failed, 2: wrong usage.',
    '.SH SEE ALSO',
    `${bold('tinderbox.yaml')}(5), ${bold('systemctl')}(1)`,
  ]);
}

function describeCommand({ path, usage, description, options, notes }: DescribedCommand): readonly string[] {
  return [
    `.SS "${roffText(`${path} ${usage}`.replaceAll('"', "'"))}"`,
    roffText(`${description[0]?.toUpperCase() ?? ''}${description.slice(1)}.`),
    ...options
      .filter(({ flags }) => !flags.some((flag) => COMMON.has(flag)))
      .flatMap((option) => roffItem(roffUsage(option.usage), [roffText(option.description)])),
    ...(notes === '' ? [] : roffVerbatim(notes)),
  ];
}

/** tinderbox.yaml(5): the keys, from the schema that the file is read with. */
export function writeConfigPage(settings: PageSettings): string {
  return roffPage({ name: 'tinderbox.yaml', section: 5, ...settings }, [
    '.SH NAME',
    'tinderbox.yaml \\- configuration of Tinderbox',
    '.SH DESCRIPTION',
    `Found at ${bold('--config')}, in the environment as ${bold('TINDERBOX_CONFIG')}, at ./tinderbox.yaml, or at`,
    '/etc/tinderbox/tinderbox.yaml, which tinderbox init writes.',
    'An unknown key is an error. Relative paths are relative to the file.',
    `${bold('tinderbox check')} says everything that is wrong with it.`,
    '.SH KEYS',
    ...rowsOfFile('tinderbox.schema.json').flatMap(({ key, value, fallback, meaning }) => {
      const standard =
        fallback === REQUIRED
          ? ' Required.'
          : fallback === undefined
            ? ''
            : ` Default: ${roffText(fallback)}.`;
      const text = meaning === '' || meaning.endsWith('.') ? meaning : `${meaning}.`;
      return roffItem(bold(key), [`${roffMarkdown(value)}.${standard}`, roffMarkdown(text)]);
    }),
    '.SH SEE ALSO',
    `${bold('tinderbox')}(1), /usr/share/doc/tinderbox/docs/configuration.md`,
  ]);
}
