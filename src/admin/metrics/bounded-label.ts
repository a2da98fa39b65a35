/**
 * A label's value as it is while it is among the first so many; `other` from then on: what the network or the profiles
 * bring forth must not grow what a Prometheus stores.
 */
export function createBoundedLabel(most: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= most) return 'other';
    known.add(value);
    return value;
  };
}
