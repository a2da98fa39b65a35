import { formatPath, quoteText } from '../document/located.ts';
import { nearestWord } from '../document/nearest-word.ts';
import type { Parameters, ParameterValue, Role } from '../machine/role.ts';
import { isMap, PARAMETER_KINDS } from './parameter-kinds.ts';
import { describeValue, unknownKey, type ValueFlaw } from './parameter-maps.ts';

/** What is wrong with a parameter: where below `parameters`, and the whole sentence. */
export interface ParameterFlaw {
  readonly path: readonly (string | number)[];
  readonly message: string;
  /** `unknown`: the role has no parameter of that name, here or elsewhere, so that nothing heeds it. */
  readonly kind: 'unknown' | 'value';
  /** It is the key that is wrong, not what stands there. */
  readonly key: boolean;
}

type Declared = Pick<Role, 'name' | 'parameters' | 'checks'>;
type Path = readonly (string | number)[];

/**
 * What a rule or a machine gives, held to what the role declares: names that it has, values of the type of its defaults, and
 * what its `checks` say. A map without entries takes any, as does one that a check speaks of. Pure, total.
 */
export function checkParameters(role: Declared, given: Parameters): readonly ParameterFlaw[] {
  return checkMap(role, role.parameters, given, []);
}

/** What is wrong with the role's own checks, and with its defaults by them. Paths of checks begin with `checks`. */
export function checkDeclarations(role: Declared): readonly ParameterFlaw[] {
  const flaws = Object.entries(role.checks ?? {}).flatMap(([name, allowed]): ParameterFlaw[] => {
    const path = ['checks', name];
    const known = pathsOf(role.parameters, '');
    if (!known.includes(name)) {
      const nearest = nearestWord(name, known);
      const meant = nearest === undefined ? '' : `; did you mean "${nearest}"?`;
      return [
        { path, key: true, kind: 'value', message: `the role has no parameter ${quoteText(name)}${meant}` },
      ];
    }
    return allowed.flatMap((value): ParameterFlaw[] => {
      const kind = kindName(value);
      if (kind === undefined || rangeOf(value) !== undefined || kindOf(value) !== undefined) return [];
      const message = `checks: there is no kind of value <${kind}>; ${unknownKey(kind, [...Object.keys(PARAMETER_KINDS), '1 to 100'])}`;
      return [{ path, key: false, kind: 'value', message }];
    });
  });
  return flaws.length > 0 ? flaws : checkParameters(role, role.parameters);
}

function checkMap(role: Declared, defaults: Parameters, given: Parameters, path: Path): ParameterFlaw[] {
  return Object.entries(given).flatMap(([name, value]): ParameterFlaw[] => {
    const here = [...path, name];
    const known = Object.hasOwn(defaults, name) ? defaults[name] : undefined;
    if (known === undefined) {
      return [unknownName(role, here, defaults)];
    }
    return checkValue(role, known, value, here);
  });
}

function checkValue(
  role: Declared,
  known: ParameterValue,
  value: ParameterValue,
  path: Path,
): ParameterFlaw[] {
  const allowed = allowedOf(role, path);
  const flaw = (more: Path, message: string, key = false): ParameterFlaw => {
    const what = `the parameter ${formatPath([...path, ...more])} of role ${role.name}: ${message}`;
    return { path: [...path, ...more], message: what, kind: 'value', key };
  };
  if (known !== null && typeName(known) !== typeName(value)) {
    const hint = typeof known === 'string' && isScalar(value) ? ' (text needs quotes here)' : '';
    const expected =
      allowed === undefined || isMap(known) ? typeName(known) : describeAllowed(known, allowed);
    return [flaw([], `expected ${expected}; got ${describeValue(value)}${hint}`)];
  }
  if (allowed !== undefined) {
    if (!Array.isArray(value))
      return flawsOf(allowed, value).map((one) => flaw(one.path, one.message, one.key));
    return value.flatMap((item: ParameterValue, index) =>
      flawsOf(allowed, item).map((one) => flaw([index, ...one.path], one.message, one.key)),
    );
  }
  if (!isMap(known) || !isMap(value) || Object.keys(known).length === 0) return [];
  return checkMap(role, known, value, path);
}

/** A path such as `constructor` is none. */
function allowedOf({ checks = {} }: Declared, path: Path): Allowed | undefined {
  const name = path.join('.');
  return Object.hasOwn(checks, name) ? checks[name] : undefined;
}

type Allowed = NonNullable<Role['checks']>[string];

/** Nothing if one of what is allowed fits. Where only one thing is, what is wrong with it in detail. */
function flawsOf(allowed: Allowed, value: ParameterValue): readonly ValueFlaw[] {
  let secret = false;
  for (const one of allowed) {
    if (kindName(one) === undefined) {
      if (one === value) return [];
      continue;
    }
    const range = rangeOf(one);
    if (range !== undefined) {
      const fits = typeof value === 'number' && Number.isSafeInteger(value);
      if (fits && value >= range.least && value <= range.most) return [];
      continue;
    }
    const kind = kindOf(one);
    secret ||= kind?.secret === true;
    const found = kind?.check(value) ?? 'no';
    if (found === 'no') continue;
    if (found.length === 0 || allowed.length === 1) return found;
  }
  const words = allowed.filter((one) => typeof one === 'string' && kindName(one) === undefined) as string[];
  const nearest = typeof value === 'string' ? nearestWord(value, words) : undefined;
  const meant = nearest === undefined || nearest === '' ? '' : `; did you mean "${nearest}"?`;
  const got = secret && typeof value === 'string' ? 'something else' : describeValue(value);
  return [{ path: [], message: `expected ${describeOne(allowed)}; got ${got}${meant}` }];
}

/** The object of "expected". */
function describeAllowed(known: ParameterValue, allowed: Allowed): string {
  return Array.isArray(known) ? `a list of: ${describeOne(allowed)}` : describeOne(allowed);
}

function describeOne(allowed: Allowed): string {
  const values = allowed
    .filter((one) => kindName(one) === undefined)
    .map((one) => (one === '' ? "''" : String(one)));
  const kinds = allowed.flatMap((one) => {
    const range = rangeOf(one);
    if (range !== undefined) return [`a whole number from ${range.least} to ${range.most}`];
    return kindOf(one)?.expected ?? [];
  });
  if (kinds.length === 0) return values.length === 1 ? values.join('') : `one of ${values.join(', ')}`;
  return [...values, ...kinds].join(', or ');
}

function unknownName(role: Declared, path: Path, defaults: Parameters): ParameterFlaw {
  const name = String(path.at(-1));
  const owner = path.length === 1 ? '' : ` in ${formatPath(path.slice(0, -1))}`;
  const names = Object.keys(defaults);
  const said = (message: string, kind: ParameterFlaw['kind'] = 'unknown'): ParameterFlaw => ({
    path,
    key: true,
    kind,
    message: `the role ${role.name} has no ${message}`,
  });
  // `dashboard: true` stands below `addons` in some roles, and beside the rest in others.
  const elsewhere = pathsOf(role.parameters, '').find((one) => one.endsWith(`.${name}`));
  if (elsewhere !== undefined)
    return said(`parameter ${quoteText(name)}${owner}; did you mean "${elsewhere}"?`, 'value');
  if (names.length === 0) return said(`parameters, so not ${quoteText(name)}`);
  return said(`parameter ${quoteText(name)}${owner}; ${unknownKey(name, names)}`);
}

/** `addons`, `addons.network`: what a check can speak of. */
function pathsOf(parameters: Parameters, prefix: string): string[] {
  return Object.entries(parameters).flatMap(([name, value]) => [
    `${prefix}${name}`,
    ...(isMap(value) ? pathsOf(value, `${prefix}${name}.`) : []),
  ]);
}

function kindName(allowed: Allowed[number]): string | undefined {
  return typeof allowed === 'string' ? /^<(.+)>$/.exec(allowed)?.[1] : undefined;
}

function kindOf(allowed: Allowed[number]) {
  const name = kindName(allowed);
  return name !== undefined && Object.hasOwn(PARAMETER_KINDS, name) ? PARAMETER_KINDS[name] : undefined;
}

function rangeOf(allowed: Allowed[number]): { readonly least: number; readonly most: number } | undefined {
  const [, least, most] = /^(\d{1,15}) to (\d{1,15})$/.exec(kindName(allowed) ?? '') ?? [];
  return least === undefined ? undefined : { least: Number(least), most: Number(most) };
}

function typeName(value: ParameterValue): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  switch (typeof value) {
    case 'string':
      return 'text';
    case 'number':
      return 'a number';
    case 'boolean':
      return 'true or false';
    default:
      return 'a map';
  }
}

function isScalar(value: ParameterValue): boolean {
  return typeof value === 'number' || typeof value === 'boolean';
}
