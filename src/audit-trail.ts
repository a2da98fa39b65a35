import type { Logger } from './logger.ts';
import type { AuditRecord, Page, Store } from './store/port.ts';

/** Who changed what, written behind: nobody waits for the database to be let in or refused. */
export interface AuditTrail extends AsyncDisposable {
  /** Never throws. */
  record(record: AuditRecord): void;
  /** Newest first, with what was recorded a moment ago. */
  list(page: Page): Promise<{ readonly records: readonly AuditRecord[] }>;
  /** What the catalog becomes meanwhile is that work's doing, which is recorded by itself. */
  changing<Result>(work: () => Promise<Result>): Promise<Result>;
  isChanging(): boolean;
}

export interface AuditTrailOptions {
  readonly store: Pick<Store, 'appendAudit' | 'listAudit'>;
  readonly logger: Pick<Logger, 'info' | 'error'>;
}

/** Beyond, a store that refuses to write loses the oldest; the log has them. */
const MOST_WAITING = 1_000;

export function createAuditTrail({ store, logger }: AuditTrailOptions): AuditTrail {
  let waiting: AuditRecord[] = [];
  let writing: Promise<void> | undefined;
  let changes = 0;

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await store.appendAudit(batch);
      } catch (error) {
        waiting = [...batch, ...waiting].slice(-MOST_WAITING);
        logger.error({ err: error, records: waiting.length }, 'the audit trail could not be written');
        return;
      }
    }
  }
  function flush(): Promise<void> {
    writing ??= writeAll().finally(() => {
      writing = undefined;
    });
    return writing;
  }

  return {
    record(record) {
      logger.info({ audit: record }, `${record.action} by ${record.actor.name}: ${record.outcome}`);
      waiting = [...waiting, record].slice(-MOST_WAITING);
      void flush();
    },
    async list(page) {
      await flush();
      return { records: await store.listAudit(page) };
    },
    async changing(work) {
      changes++;
      try {
        return await work();
      } finally {
        changes--;
      }
    },
    isChanging: () => changes > 0,
    [Symbol.asyncDispose]: flush,
  };
}
