import { ADDRESS, BOOT_ID, HOSTNAME, MAC, numberClass, PLAIN_URL, UUID } from './config-skeleton.ts';
import type { TemplateContext } from './context.ts';
import type { ContextPath } from './mold-context.ts';
import type { Mold, Node } from './mold-template.ts';

/**
 * What YAML and the checks could tell two machines of one mold apart by, as config-skeleton.ts has it, but without a look
 * at the text: its constant pieces are the mold's, and every value in between is one of known form, as it is or as one
 * word of JSON, YAML or a shell. So a configuration with keys can be known, too: nothing of a value is kept.
 *
 * Undefined where a value has not the plain form that it should, or the mold puts in others: then the text is looked at.
 */
export function verdictKeyOf(mold: Mold, context: TemplateContext): string | undefined {
  const places = placesOf(mold);
  if (places === undefined) return undefined;
  const { machine } = context;
  // A name's length is bounded where it is part of a hostname.
  let key = `${numberClass(machine.mac)}${machine.hostname.length}`;
  for (const { path, isForm } of places) {
    let value: unknown = context;
    for (const part of path) value = (value as Readonly<Record<string | number, unknown>>)[part];
    if (value === '') key += '-';
    else if (typeof value === 'string' && isForm(value, context)) key += '+';
    else return undefined;
  }
  return key;
}

interface Place {
  readonly path: ContextPath;
  readonly isForm: (value: string, context: TemplateContext) => boolean;
}

const found = new WeakMap<Mold, readonly Place[] | 'strange'>();

function placesOf(mold: Mold): readonly Place[] | undefined {
  const known = found.get(mold) ?? findPlaces(mold);
  found.set(mold, known);
  return known === 'strange' ? undefined : known;
}

function findPlaces(mold: Mold): readonly Place[] | 'strange' {
  const places = new Map<string, Place>();
  for (const { node } of mold.values) {
    const path = onlyPath(node);
    const isForm =
      path === undefined ? undefined : FORMS[path.filter((part) => typeof part === 'string').join('.')];
    if (path === undefined || isForm === undefined) return 'strange';
    places.set(path.join('.'), { path, isForm });
  }
  return [...places.values()];
}

/** Of these, what comes out has a form that depends on that of what goes in alone. */
const KEEPS_FORM = new Set(['quote', 'json', 'shell', 'unit', 'oneLine', 'indent']);

function onlyPath(node: Node): ContextPath | undefined {
  if (node.kind === 'path') return node.path;
  if (node.kind === 'constant' || !KEEPS_FORM.has(node.helper) || node.options.hashNodes !== undefined)
    return undefined;
  const paths = node.args.filter(({ kind }) => kind !== 'constant');
  const [only] = paths;
  return only === undefined || paths.length > 1 ? undefined : onlyPath(only);
}

/** Whole lines of base64 between those that say what it is: nothing that YAML would take for anything but text. */
const PEM = /^(-----BEGIN ([A-Z ]+)-----\n([A-Za-z0-9+/=]{4,64}\n)+-----END \2-----\n)+$/;

const isName = (value: string): boolean => HOSTNAME.test(value);
const isAddress = (value: string): boolean => ADDRESS.test(value);
const isPem = (value: string): boolean => PEM.test(value);

const isNodeName: Place['isForm'] = (value, { machine }) =>
  (value === machine.hostname && isName(value)) || (value === machine.address && isAddress(value));

/** Text to YAML wherever it stands: with a dot between letters, or one of the two that have none. */
const DOMAIN = /^(localhost|kubernetes|[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)+)$/;

const FORMS: Readonly<Record<string, Place['isForm']>> = {
  'machine.mac': (value) => MAC.test(value),
  'machine.hostname': isName,
  'machine.address': isAddress,
  'machine.uuid': (value) => UUID.test(value),
  bootId: (value) => BOOT_ID.test(value),
  // That of nocloud is a folder's.
  configUrl: (value) => PLAIN_URL.test(value.replace(/\/$/, '')),
  reportUrl: (value) => PLAIN_URL.test(value),
  'identity.nodeName': isNodeName,
  // `system:node:` and the like before a name is the certificate's, and that is part of a context's shape.
  'identity.certificates.commonName': (value, context) =>
    /^(system:)?[a-z-]{2,}$/.test(value) || isNodeName(value.slice(value.lastIndexOf(':') + 1), context),
  'identity.certificates.dns': (value) => isName(value) || DOMAIN.test(value),
  'identity.certificates.addresses': isAddress,
  'identity.certificates.url': (value) =>
    /^[^?]*\?name=[a-z-]+$/.test(value) && PLAIN_URL.test(value.split('?')[0] ?? ''),
  'identity.certificates.certificate': isPem,
  'identity.certificates.key': isPem,
  'identity.serviceAccounts.publicKey': isPem,
  'identity.serviceAccounts.privateKey': isPem,
};
