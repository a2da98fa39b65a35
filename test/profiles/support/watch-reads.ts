/**
 * The validators of `kubernetes-models` are compiled code that takes no notice of what it does not know. It does ask for
 * every field that it knows, though, and for every key of a map of texts: what it never asks for is no field.
 */
export interface Watched {
  /** To be given to the validator in place of the document. */
  readonly value: object;
  /** Paths of what was not read, but for what is inside objects of which nothing was: those may hold anything. */
  unread(): readonly string[];
}

export function watchReads(document: object): Watched {
  const reads = new Map<object, Set<string>>();
  const watched = new Map<object, object>();

  const watch = (target: object): object => {
    const known = watched.get(target);
    if (known !== undefined) return known;
    const seen = new Set<string>();
    reads.set(target, seen);
    const proxy = new Proxy(target, {
      get: (object, key, receiver) => {
        if (typeof key === 'string') seen.add(key);
        const value: unknown = Reflect.get(object, key, receiver);
        return typeof value === 'object' && value !== null ? watch(value) : value;
      },
    });
    watched.set(target, proxy);
    return proxy;
  };

  const unreadIn = (target: object, path: string): readonly string[] => {
    const seen = reads.get(target);
    if (seen === undefined || seen.size === 0) return [];
    return Object.entries(target).flatMap(([key, value]) => {
      const here = Array.isArray(target) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
      if (!seen.has(key)) return [here];
      return typeof value === 'object' && value !== null ? unreadIn(value as object, here) : [];
    });
  };

  return { value: watch(document), unread: () => unreadIn(document, '') };
}
