import { createHash } from 'node:crypto';

/** Names a machine's entry as it stands in machines.yaml, or its absence: who edits it says which one was read. */
export function revisionOf(entryText: string | undefined): string {
  if (entryText === undefined) return 'absent';
  return createHash('sha256').update(entryText).digest('hex').slice(0, 16);
}
