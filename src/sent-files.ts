import type { BootFiles } from './render/render-boot-files.ts';
import { createOldestFirst } from './store/oldest-first.ts';

/** What a session's machine is to fetch, and the mirror that it was sent to first. */
export interface SentFiles extends BootFiles {
  readonly mirror?: string | undefined;
}

/** By session: what tells a download of a boot from any other. */
export interface SentFilesMemory {
  remember(sessionId: number, files: SentFiles): void;
  forget(sessionId: number): void;
  of(sessionId: number): SentFiles | undefined;
}

/**
 * Holds the newest `limit`: as many as the journal has machines in memory. All that wait in the boot queue ask again and again, and
 * must not push out what the machines load that have their turn.
 */
export function createSentFiles(limit = 20_000): SentFilesMemory {
  const sent = new Map<number, SentFiles>();
  const oldest = createOldestFirst(sent);
  return {
    remember(sessionId, files) {
      sent.delete(sessionId);
      sent.set(sessionId, files);
      const first = sent.size > limit ? oldest() : undefined;
      if (first !== undefined) sent.delete(first);
    },
    forget: (sessionId) => void sent.delete(sessionId),
    of: (sessionId) => sent.get(sessionId),
  };
}
