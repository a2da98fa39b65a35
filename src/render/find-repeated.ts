import type { ConfigProblem } from './cloud-config-schema.ts';

/**
 * Entries of a list that have the same key as one before them; those without a key never do. The key is not quoted:
 * it may be a secret.
 */
export function findRepeated<T>(
  list: readonly T[],
  keyOf: (entry: T) => string | number | undefined,
  path: ConfigProblem['path'],
  field?: string,
): readonly ConfigProblem[] {
  const first = new Map<string | number, number>();
  return list.flatMap((entry, index) => {
    const key = keyOf(entry);
    if (key === undefined) return [];
    const earlier = first.get(key);
    if (earlier === undefined) {
      first.set(key, index);
      return [];
    }
    const where = field === undefined ? [...path, index] : [...path, index, field];
    return [{ path: where, message: `entry [${earlier}] of this list has the same` }];
  });
}
