import { type Document, isMap, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml';
import { type Problem, TinderboxError } from '../errors.ts';

/** What one cluster and one user are in a kubeconfig. PEM texts; the key is a secret. */
export interface KubeconfigEntry {
  readonly server: string;
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

export interface KubeconfigNames {
  readonly cluster: string;
  readonly user: string;
  readonly context: string;
}

/** What stands under the names; undefined: nothing. */
export interface KubeconfigFound {
  readonly cluster: { readonly server: string; readonly authority: string } | undefined;
  /** `plain`: a certificate and a key of its own, and nothing else. */
  readonly user: { readonly certificate: string; readonly key: string; readonly plain: boolean } | undefined;
  readonly context: { readonly cluster: string; readonly user: string } | undefined;
  readonly currentContext: string;
}

/**
 * A kubeconfig as text that can be changed without touching what is not meant: other entries, comments, order.
 * Throws TinderboxError `invalid-config` on what kubectl would not read either. '' is an empty one.
 */
export function openKubeconfig(file: string, text: string) {
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'error' });
  const problem = firstProblem(document);
  if (problem !== undefined) {
    throw new TinderboxError(
      'invalid-config',
      `${file} is no kubeconfig, and stays as it is: ${problem.message}`,
      {
        problems: [{ ...problem, file }],
        remedy: 'Mend it, move it away, or write to another: --file FILE.',
      },
    );
  }
  return {
    find: (names: KubeconfigNames): KubeconfigFound => find(document, names),
    /** The new text, with these entries in the place of those of the same names. */
    merge: (names: KubeconfigNames, entry: KubeconfigEntry): string => merge(document, text, names, entry),
  };
}

const LISTS = ['clusters', 'users', 'contexts'] as const;

const fail = (message: string): Problem => ({ severity: 'error', message });

function firstProblem(document: Document.Parsed): Problem | undefined {
  const [error] = document.errors;
  if (error !== undefined) return fail(`not YAML: ${error.message.split('\n')[0]}`);
  const root = document.contents;
  if (root === null || (isScalar(root) && root.value === null)) return undefined;
  if (!isMap(root)) return fail('it is no map');
  const kind = document.get('kind');
  if (kind !== undefined && kind !== 'Config') return fail('its kind is not Config');
  for (const name of LISTS) {
    const list = document.get(name);
    if (list === undefined || list === null || (isScalar(list) && list.value === null)) continue;
    if (!isSeq(list)) return fail(`\`${name}\` is no list`);
    const named = list.items.map((item): unknown => (isMap(item) ? item.get('name') : undefined));
    if (named.some((each) => typeof each !== 'string')) return fail(`an entry of \`${name}\` has no name`);
    const twice = named.find((each, at) => named.indexOf(each) !== at);
    if (typeof twice === 'string') return fail(`\`${name}\` has ${twice} twice`);
  }
  return undefined;
}

function textOf(map: YAMLMap | undefined, key: string): string {
  const value = map?.get(key);
  return typeof value === 'string' ? value : '';
}

function find(document: Document.Parsed, names: KubeconfigNames): KubeconfigFound {
  const cluster = entryOf(document, 'clusters', names.cluster, 'cluster');
  const user = entryOf(document, 'users', names.user, 'user');
  const context = entryOf(document, 'contexts', names.context, 'context');
  const current = document.contents === null ? undefined : document.get('current-context');
  return {
    cluster: cluster && {
      server: textOf(cluster, 'server'),
      authority: decode(textOf(cluster, 'certificate-authority-data')),
    },
    user: user && {
      certificate: decode(textOf(user, 'client-certificate-data')),
      key: decode(textOf(user, 'client-key-data')),
      plain: user.items.every(({ key }) =>
        ['client-certificate-data', 'client-key-data'].includes(String(key)),
      ),
    },
    context: context && { cluster: textOf(context, 'cluster'), user: textOf(context, 'user') },
    currentContext: typeof current === 'string' ? current : '',
  };
}

/** The inner map of a named entry; an empty one if the entry is there without it. */
function entryOf(
  document: Document.Parsed,
  list: (typeof LISTS)[number],
  name: string,
  inner: string,
): YAMLMap | undefined {
  const item = itemOf(document, list, name);
  if (item === undefined) return undefined;
  const value = item.get(inner);
  return isMap(value) ? value : document.createNode({});
}

function itemOf(document: Document, list: string, name: string): YAMLMap | undefined {
  const found = document.contents === null ? undefined : document.get(list);
  if (!isSeq(found)) return undefined;
  return found.items.find((item): item is YAMLMap => isMap(item) && item.get('name') === name);
}

function merge(
  document: Document.Parsed,
  text: string,
  names: KubeconfigNames,
  entry: KubeconfigEntry,
): string {
  const root = document.contents;
  if (root === null || !isMap(root)) document.contents = document.createNode({}) as unknown as typeof root;
  for (const [key, value] of [
    ['apiVersion', 'v1'],
    ['kind', 'Config'],
  ] as const) {
    if (!document.has(key)) document.set(key, value);
  }
  put(document, 'clusters', names.cluster, 'cluster', {
    server: entry.server,
    'certificate-authority-data': encode(entry.authority),
  });
  put(document, 'users', names.user, 'user', {
    'client-certificate-data': encode(entry.certificate),
    'client-key-data': encode(entry.key),
  });
  put(document, 'contexts', names.context, 'context', { cluster: names.cluster, user: names.user });
  const current = document.get('current-context');
  if (typeof current !== 'string' || current === '') document.set('current-context', names.context);
  // kubectl does not indent the items of a list, people do.
  const indentSeq = !/^(clusters|users|contexts):[^\S\n]*\n-/m.test(text) && text !== '';
  return document.toString({ lineWidth: 0, indentSeq });
}

/** Sets the keys that are ours: a namespace or a proxy that somebody added to the entry stays, unless it is a user's. */
function put(
  document: Document,
  list: string,
  name: string,
  inner: string,
  values: Readonly<Record<string, string>>,
): void {
  const item = itemOf(document, list, name);
  if (item === undefined) {
    const found = document.get(list);
    const added = document.createNode({ name, [inner]: values });
    if (isSeq(found)) found.add(added);
    else document.set(list, document.createNode([added]));
    return;
  }
  const before = item.get(inner);
  // Of a user nothing else may stay: a token beside the certificate would be sent as well.
  if (inner === 'user' || !isMap(before)) {
    item.set(inner, document.createNode(values));
    return;
  }
  before.delete('certificate-authority');
  before.delete('insecure-skip-tls-verify');
  for (const [key, value] of Object.entries(values)) before.set(key, value);
}

const encode = (pem: string): string => Buffer.from(pem).toString('base64');
const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');
