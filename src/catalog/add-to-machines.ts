import { isDeepStrictEqual } from 'node:util';
import { type Document, isMap, isSeq, parseDocument } from 'yaml';
import { TinderboxError } from '../errors.ts';
import { parseMac } from '../machine/mac.ts';
import type { ParameterValue } from '../machine/role.ts';

type Values = Readonly<Record<string, ParameterValue>>;

export interface Additions {
  readonly machines: readonly { readonly mac: string; readonly role: string; readonly parameters: Values }[];
  readonly rules: readonly {
    readonly match: Readonly<Record<string, unknown>>;
    readonly role: string;
    readonly parameters: Values;
  }[];
  readonly defaultRole?: string;
}

export interface AddedMachines {
  readonly text: string;
  readonly changed: boolean;
  readonly added: { readonly machines: number; readonly rules: number; readonly default: boolean };
  /** What is there already and stays as it is, each a sentence. */
  readonly kept: readonly string[];
}

/**
 * Adds to the text of machines.yaml what is not there; new rules after those that are. Comments stay. Throws TinderboxError
 * `refused` where the text is no map of YAML.
 */
export function addToMachines(text: string, additions: Additions): AddedMachines {
  const document = parseDocument(text, { version: '1.2', logLevel: 'silent' });
  if (document.errors.length > 0 || (document.contents !== null && !isMap(document.contents))) {
    throw new TinderboxError('refused', 'machines.yaml is no map of YAML', {
      remedy: 'tinderbox check says where it is broken.',
    });
  }
  const present = (document.toJS() ?? {}) as Present;
  const kept: string[] = [];
  const macs = new Set(Object.keys(present.machines ?? {}).map((key) => parseMac(key)));
  const machines = additions.machines.filter(({ mac }) => {
    if (!macs.has(parseMac(mac))) return true;
    kept.push(`${mac} has an entry already, which stays`);
    return false;
  });
  const rules = additions.rules.filter((rule) => {
    if (!(present.rules ?? []).some(({ match }) => isDeepStrictEqual(match, rule.match))) return true;
    kept.push(`there is a rule for ${JSON.stringify(rule.match)} already, which stays`);
    return false;
  });
  const isTaken = present.default !== undefined && present.default !== 'none';
  const givesDefault = additions.defaultRole !== undefined && !isTaken;
  if (additions.defaultRole !== undefined && isTaken && present.default !== additions.defaultRole) {
    kept.push(`the default is ${present.default} and stays; matchbox's was ${additions.defaultRole}`);
  }
  for (const { mac, role, parameters } of machines) {
    const map = mapAt(document, 'machines');
    map.set(document.createNode(mac), document.createNode(withParameters({ role }, parameters)));
  }
  for (const { match, role, parameters } of rules) {
    listAt(document, 'rules').add(document.createNode(withParameters({ match, role }, parameters)));
  }
  if (givesDefault) document.set('default', additions.defaultRole);
  const changed = machines.length > 0 || rules.length > 0 || givesDefault;
  return {
    text: changed ? document.toString({ lineWidth: 0 }) : text,
    changed,
    added: { machines: machines.length, rules: rules.length, default: givesDefault },
    kept,
  };
}

interface Present {
  readonly machines?: Readonly<Record<string, unknown>> | null;
  readonly rules?: readonly { readonly match?: unknown }[] | null;
  readonly default?: string;
}

function withParameters(entry: object, parameters: Values): object {
  return Object.keys(parameters).length === 0 ? entry : { ...entry, parameters };
}

function mapAt(document: Document.Parsed, key: string) {
  const found = document.get(key, true);
  if (isMap(found)) return found;
  const made = document.createNode({});
  document.set(key, made);
  return made;
}

function listAt(document: Document.Parsed, key: string) {
  const found = document.get(key, true);
  if (isSeq(found)) return found;
  const made = document.createNode([]);
  document.set(key, made);
  return made;
}
