import type { AuditRecord } from '../store/port.ts';

export type { Actor, AuditRecord } from '../store/port.ts';

export interface AuditListView {
  /** Newest first. */
  readonly records: readonly AuditRecord[];
}
