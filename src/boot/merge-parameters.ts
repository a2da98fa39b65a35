import type { Parameters, ParameterValue } from '../machine/role.ts';

/**
 * A role's parameters as later ones override them. Maps are merged key by key, at every depth, so that one add-on can be
 * turned on without repeating what the role says of the others; anything else, lists too, is replaced as a whole.
 * A single layer is returned as it is: most machines have nothing of their own.
 */
export function mergeParameters(...layers: readonly (Parameters | undefined)[]): Parameters {
  const [first, ...more] = layers.filter((layer) => layer !== undefined && Object.keys(layer).length > 0);
  return more.reduce<Parameters>((merged, layer) => mergeMaps(merged, layer ?? {}), first ?? {});
}

function mergeMaps(base: Parameters, over: Parameters): Parameters {
  const merged = Object.entries(over).map(([key, value]): [string, ParameterValue] => {
    const known = Object.hasOwn(base, key) ? base[key] : undefined;
    return [key, isMap(known) && isMap(value) ? mergeMaps(known, value) : value];
  });
  return { ...base, ...Object.fromEntries(merged) };
}

function isMap(value: ParameterValue | undefined): value is Parameters {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
