/** `did you mean …?` for the nearest name; all names where none is near and they are few; else undefined. */
export function suggestName(name: string, names: readonly string[]): string | undefined {
  const known = [...new Set(names)];
  const scored = known.map((candidate) => ({ candidate, distance: editDistance(name, candidate) }));
  const [nearest] = scored.toSorted((a, b) => a.distance - b.distance);
  if (nearest !== undefined && nearest.distance <= Math.max(1, Math.floor(name.length / 3))) {
    return `did you mean \`${nearest.candidate}\`?`;
  }
  return known.length === 0 || known.length > 24 ? undefined : `known here: ${known.join(', ')}`;
}

/** Optimal string alignment: insertions, deletions, replacements and swaps of neighbours; case does not count. */
function editDistance(a: string, b: string): number {
  const [from, to] = [a.toLowerCase(), b.toLowerCase()];
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, index) => index)];
  const at = (row: number, column: number): number => rows[row]?.[column] ?? Infinity;
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    rows.push(row);
    for (let j = 1; j <= to.length; j++) {
      const replaced = at(i - 1, j - 1) + (from[i - 1] === to[j - 1] ? 0 : 1);
      const swapped =
        from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1] ? at(i - 2, j - 2) + 1 : Infinity;
      row.push(Math.min(replaced, swapped, at(i - 1, j) + 1, at(i, j - 1) + 1));
    }
  }
  return at(from.length, to.length);
}
