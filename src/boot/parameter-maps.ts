import { quoteText } from '../document/located.ts';
import { nearestWord } from '../document/nearest-word.ts';
import type { ParameterValue } from '../machine/role.ts';

/** One thing that is wrong with a value: where in it, and `expected …; got …`. */
export interface ValueFlaw {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** It is the key that is wrong, not what stands there. */
  readonly key?: true;
}

type Values = { readonly [key: string]: ParameterValue };

/** Kubernetes' "Labels and Selectors": a name of at most 63 characters, before it a domain and a slash. */
const LABEL_NAME = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const LABEL_DOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const LABEL_KEY = "a label's key such as rack or example.org/rack";
const LABEL_VALUE = 'at most 63 letters, digits, hyphens, dots, underscores';

/**
 * What a kubelet may say of its own Node within Kubernetes' domains: with any other it does not start
 * (kubelet, --node-labels), and NodeRestriction would refuse it.
 */
const KUBELET_LABELS = [
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
];
const KUBELET_DOMAINS = /(^|\.)(kubelet|node)\.kubernetes\.io$/;
const KUBERNETES_DOMAINS = /(^|\.)(kubernetes|k8s)\.io$/;

/** Labels of a Node. A number or true is written as text, as everybody writes `{ rack: 7 }`. */
export function checkLabels(labels: Values): readonly ValueFlaw[] {
  return Object.entries(labels).flatMap(([key, value]): ValueFlaw[] => {
    if (!isLabelKey(key)) {
      return [{ path: [key], key: true, message: `expected ${LABEL_KEY}; got ${quoteText(key)}` }];
    }
    if (isReserved(key)) {
      const message = `Kubernetes refuses ${key} from a kubelet; of its own domains it takes ${KUBELET_LABELS.slice(0, 6).join(', ')}, and those of node.kubernetes.io/ and kubelet.kubernetes.io/`;
      return [{ path: [key], key: true, message }];
    }
    const isText = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
    if (isText && isLabelValue(String(value))) return [];
    return [{ path: [key], message: `expected ${LABEL_VALUE}; got ${describeValue(value)}` }];
  });
}

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** A taint, as the kubelet's configuration has it (registerWithTaints): of texts only. */
export function checkTaint(taint: Values): readonly ValueFlaw[] {
  const { key, value = '', effect } = taint;
  const flaws = checkKeys(taint, ['key', 'value', 'effect'], ['key', 'effect']);
  if (key !== undefined && !(typeof key === 'string' && isLabelKey(key)))
    flaws.push({ path: ['key'], message: `expected ${LABEL_KEY}; got ${describeValue(key)}` });
  if (!(typeof value === 'string' && isLabelValue(value)))
    flaws.push({ path: ['value'], message: `expected ${LABEL_VALUE}; got ${describeValue(value)}` });
  if (effect !== undefined && !EFFECTS.some((known) => known === effect))
    flaws.push({
      path: ['effect'],
      message: `expected one of ${EFFECTS.join(', ')}; got ${describeValue(effect)}`,
    });
  return flaws;
}

/** sysctl.d(5): a line each. A hyphen before the name lets it fail. */
export function checkSysctl(settings: Values): readonly ValueFlaw[] {
  return Object.entries(settings).flatMap(([key, value]): ValueFlaw[] => {
    if (!/^-?[A-Za-z0-9_*-]+([./][A-Za-z0-9_*:@-]+)+$/.test(key) || key.length > 200) {
      const message = `expected a setting of the kernel such as vm.max_map_count; got ${quoteText(key)}`;
      return [{ path: [key], key: true, message }];
    }
    const fits = typeof value === 'number' || (typeof value === 'string' && /^\P{Cc}{1,1000}$/u.test(value));
    if (fits) return [];
    return [
      { path: [key], message: `expected a number, or text without line breaks; got ${describeValue(value)}` },
    ];
  });
}

const SSH_KEY = /^\P{Cc}*(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]{16,}={0,2}( \P{Cc}*)?$/u;

const USER_NAME = /^[a-z_][a-z0-9_-]{0,31}$/;

/** A user besides `core`, as the partial `users` writes it. */
export function checkUser(user: Values): readonly ValueFlaw[] {
  const { name, groups = [], sshAuthorizedKeys: keys = [] } = user;
  const flaws = checkKeys(user, ['name', 'groups', 'sshAuthorizedKeys'], ['name']);
  if (name !== undefined && !isName(name))
    flaws.push({ path: ['name'], message: `expected a user's name such as ada; got ${describeValue(name)}` });
  flaws.push(
    ...checkList(groups, 'groups', "a group's name such as docker", isName),
    ...checkList(
      keys,
      'sshAuthorizedKeys',
      'a public key of SSH, as in authorized_keys',
      (text) => typeof text === 'string' && isSshKey(text),
    ),
  );
  return flaws;
}

/** A line of authorized_keys, options before it too. */
export function isSshKey(text: string): boolean {
  return text.length <= 16_384 && SSH_KEY.test(text);
}

/** As the object of "got"; long texts are shortened, and nothing in them is obeyed by a terminal. */
export function describeValue(value: ParameterValue): string {
  if (value === null) return 'nothing';
  if (typeof value === 'string') return quoteText(value);
  if (typeof value === 'number') return `the number ${value}`;
  if (typeof value === 'boolean') return String(value);
  return Array.isArray(value) ? 'a list' : 'a map';
}

/** What is allowed instead; a long list only where nothing near was meant. */
export function unknownKey(key: string, allowed: readonly string[]): string {
  const nearest = nearestWord(key, allowed);
  if (nearest !== undefined && allowed.length > 12) return `did you mean "${nearest}"?`;
  return `${nearest === undefined ? '' : `did you mean "${nearest}"? `}allowed: ${allowed.join(', ')}`;
}

function isLabelKey(key: string): boolean {
  const [name = '', domain, ...more] = key.split('/').toReversed();
  return LABEL_NAME.test(name) && (domain === undefined || LABEL_DOMAIN.test(domain)) && more.length === 0;
}

function isLabelValue(value: string): boolean {
  return value === '' || LABEL_NAME.test(value);
}

function isReserved(key: string): boolean {
  const domain = key.includes('/') ? key.slice(0, key.indexOf('/')) : '';
  return KUBERNETES_DOMAINS.test(domain) && !KUBELET_DOMAINS.test(domain) && !KUBELET_LABELS.includes(key);
}

function isName(text: ParameterValue): boolean {
  return typeof text === 'string' && USER_NAME.test(text);
}

function checkKeys(map: Values, allowed: readonly string[], needed: readonly string[]): ValueFlaw[] {
  const unknown = Object.keys(map).filter((key) => !allowed.includes(key));
  return [
    ...unknown.map(
      (key): ValueFlaw => ({
        path: [key],
        key: true,
        message: `unknown key ${quoteText(key)}; ${unknownKey(key, allowed)}`,
      }),
    ),
    ...needed
      .filter((key) => !Object.hasOwn(map, key))
      .map((key): ValueFlaw => ({ path: [], message: `the key "${key}" is missing` })),
  ];
}

function checkList(
  list: ParameterValue,
  name: string,
  expected: string,
  fits: (item: ParameterValue) => boolean,
): ValueFlaw[] {
  if (!Array.isArray(list)) return [{ path: [name], message: `expected a list; got ${describeValue(list)}` }];
  return list.flatMap((item: ParameterValue, index): ValueFlaw[] =>
    fits(item) ? [] : [{ path: [name, index], message: `expected ${expected}; got ${describeValue(item)}` }],
  );
}
