import { stringify } from 'yaml';
import { type DocumentPath, formatPath, type Place } from '../document/located.ts';
import { type DocumentReading, readDocument } from '../document/read-document.ts';
import type { Problem } from '../errors.ts';
import { checkCloudConfig } from './check-cloud-config.ts';
import { checkCloudInit } from './check-cloud-init.ts';
import { checkIgnition } from './check-ignition.ts';
import type { ConfigProblem } from './cloud-config-schema.ts';
import { isBase64 } from './data-url.ts';
import { describeCloudConfig } from './describe-cloud-config.ts';
import { describeIgnition } from './describe-ignition.ts';
import { describeNocloud } from './describe-nocloud.ts';
import { type DescribedFormat, type Inexpressible, isNetworkUnit } from './description-parts.ts';
import { type Description, DescriptionSchema } from './description-schema.ts';

export interface ConvertedDescription {
  /** The dialect's main document; '' where there are problems. */
  readonly body: string;
  /** With their lines in the description. */
  readonly problems: readonly Problem[];
}

/** Where a text may be a secret, messages do not quote it. */
const SECRETS: readonly (string | number | undefined)[] = [
  'content',
  'contentBase64',
  'passwordHash',
  'url',
  'sshAuthorizedKeys',
];

/**
 * A neutral description, rendered, as the document of a dialect. Whichever that is, the description must be one that
 * Ignition, which can say all of it, would take: a role that changes its dialect is not wrong all of a sudden.
 */
export function convertDescription(
  text: string,
  file: string,
  format: DescribedFormat,
): ConvertedDescription {
  const reading = readDocument(
    DescriptionSchema,
    { file, text },
    { quotesValues: (path) => !path.some((part) => SECRETS.includes(part)) },
  );
  const description = reading.value;
  const report = (problems: readonly ConfigProblem[]): ConvertedDescription => ({
    body: '',
    problems: problems.map(({ path, message }) => placed(reading, file, path, message)),
  });
  if (description === undefined || reading.problems.length > 0)
    return { body: '', problems: reading.problems };

  const own = checkDescription(description);
  if (own.length > 0) return report(own);
  const { config, minor, origins } = describeIgnition(description);
  const found = checkIgnition(config, minor);
  if (found.length > 0) return report(found.map((problem) => atOrigin(problem, origins)));
  switch (format) {
    case 'ignition':
      return { body: `${JSON.stringify(config)}\n`, problems: [] };
    case 'cloud-config': {
      const made = describeCloudConfig(description);
      const wrong = [
        ...made.inexpressible.map((one) => describeInexpressible(one, format)),
        ...checkCloudConfig(made.document).map((problem) => atOrigin(problem, made.origins)),
      ];
      return wrong.length > 0 ? report(wrong) : { body: cloudText(made.document), problems: [] };
    }
    case 'nocloud': {
      const made = describeNocloud(description);
      const wrong = [
        ...made.inexpressible.map((one) => describeInexpressible(one, format)),
        ...checkCloudInit(made.document).map((problem) => atOrigin(problem, made.origins)),
      ];
      return wrong.length > 0 ? report(wrong) : { body: cloudText(made.document), problems: [] };
    }
  }
}

/** YAML as both 1.1 and 1.2 read it, text of several lines as a block. */
function cloudText(document: object): string {
  const text = stringify(document, {
    version: '1.1',
    lineWidth: 0,
    blockQuote: 'literal',
    aliasDuplicateObjects: false,
  });
  return `#cloud-config\n${text}`;
}

/** What no dialect's checks know of a description. */
function checkDescription({
  files = [],
  users = [],
  units = [],
  links = [],
}: Description): readonly ConfigProblem[] {
  return [
    ...files.flatMap((file, index) => {
      const path = ['files', index];
      const { content, contentBase64, url, sha512 } = file;
      const sources = [content, contentBase64, url].filter((source) => source !== undefined);
      return [
        ...(sources.length === 1
          ? []
          : [{ path, message: 'one of content, contentBase64 and url is wanted' }]),
        ...(sha512 !== undefined && url === undefined
          ? [{ path: [...path, 'sha512'], message: 'only what is fetched from a url is verified' }]
          : []),
        ...(content?.isWellFormed() === false
          ? [{ path: [...path, 'content'], message: 'this is no Unicode' }]
          : []),
        ...(contentBase64 !== undefined && !isBase64(contentBase64)
          ? [{ path: [...path, 'contentBase64'], message: 'this is no base64' }]
          : []),
      ];
    }),
    ...users.flatMap(({ comment = '' }, index) =>
      /\p{Cc}/u.test(comment)
        ? [{ path: ['users', index, 'comment'], message: 'it holds a control character' }]
        : [],
    ),
    ...links.flatMap(({ target }, index) =>
      /\p{Cc}/u.test(target) || target.trim() !== target
        ? [
            {
              path: ['links', index, 'target'],
              message: 'it holds a control character, or a space around it',
            },
          ]
        : [],
    ),
    ...units.flatMap((unit, index) => {
      if (!isNetworkUnit(unit)) return [];
      const path = ['units', index];
      const extra = (['enable', 'mask', 'dropIns'] as const).filter((name) => unit[name] !== undefined);
      return [
        ...extra.map((name) => ({
          path: [...path, name],
          message: 'networkd reads its files by themselves',
        })),
        ...(unit.content === undefined ? [{ path, message: 'it has no content' }] : []),
      ];
    }),
  ];
}

function describeInexpressible(
  { path, others, reason }: Inexpressible,
  format: DescribedFormat,
): ConfigProblem {
  const why = reason === undefined ? '' : ` (${reason})`;
  return { path, message: `${format} cannot express it${why}; ${others.join(' and ')} can` };
}

/** What a converted field is called in the description. */
const NAMES: Readonly<Record<string | number, string>> = {
  user: 'owner',
  contents: 'content',
  enabled: 'enable',
  dropins: 'dropIns',
  drop_ins: 'dropIns',
  homeDir: 'home',
  homedir: 'home',
  gecos: 'comment',
  wipeTable: 'wipe',
  wipeFilesystem: 'wipe',
  typeGuid: 'type',
  permissions: 'mode',
  ssh_authorized_keys: 'sshAuthorizedKeys',
  passwd: 'passwordHash',
  primary_group: 'primaryGroup',
};

/** From where something stands in a dialect's document to where it comes from. */
function atOrigin(
  { path, message }: ConfigProblem,
  origins: ReadonlyMap<string, DocumentPath>,
): ConfigProblem {
  for (let length = path.length; length > 0; length--) {
    const origin = origins.get(formatPath(path.slice(0, length)));
    if (origin === undefined) continue;
    const names = origin[0] === 'filesystems' ? { ...NAMES, path: 'mount' } : NAMES;
    return { path: [...origin, ...path.slice(length).map((part) => names[part] ?? part)], message };
  }
  return { path, message };
}

/** At the deepest thing of the path that the description says. */
function placed(
  reading: DocumentReading<Description>,
  file: string,
  path: DocumentPath,
  message: string,
): Problem {
  let known = path;
  while (known.length > 0 && !reading.has(known)) known = known.slice(0, -1);
  const place: Place = reading.locateKey(known);
  const where = known.length === 0 ? '' : `"${formatPath(known)}": `;
  return { severity: 'error', file, ...place, message: `${where}${message}` };
}
