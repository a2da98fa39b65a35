import type { Database } from 'better-sqlite3';
import type { CertificateName } from '../machine/identity.ts';
import type { GivenCertificate, Release, SessionOwner } from './port.ts';
import {
  type CertificateRow,
  certificateFromRow,
  certificateToRow,
  type ReleaseRow,
  releaseFromRow,
} from './sqlite-rows.ts';

/** The release book, synchronous. Each write is one transaction. */
export interface SqliteReleases {
  releaseOf(sessionId: number): Release | undefined;
  beginRelease(owner: SessionOwner, release: Omit<Release, 'completedAt'>): boolean;
  completeRelease(sessionId: number, at: number): void;
  certificateOf(sessionId: number, name: CertificateName): GivenCertificate | undefined;
  giveCertificate(owner: SessionOwner, certificate: GivenCertificate): boolean;
}

/**
 * `putOwner` writes the session and its machine, and keeps within the limits: history is written behind, and they may not
 * be there yet.
 */
export function prepareReleases(database: Database, putOwner: (owner: SessionOwner) => void): SqliteReleases {
  const findRelease = database.prepare<[number], ReleaseRow>('SELECT * FROM releases WHERE session_id = ?');
  const putRelease = database.prepare<[number, number, number]>(
    `INSERT INTO releases (session_id, begun_at, address) VALUES (?, ?, ?)
     ON CONFLICT (session_id) DO UPDATE SET begun_at = begun_at
       WHERE completed_at IS NULL AND address = excluded.address`,
  );
  const endRelease = database.prepare<[number, number]>(
    'UPDATE releases SET completed_at = ? WHERE session_id = ? AND completed_at IS NULL',
  );
  const findCertificate = database.prepare<[number, string], CertificateRow>(
    'SELECT * FROM certificates WHERE session_id = ? AND name = ?',
  );
  const putCertificate = database.prepare<CertificateRow>(
    `INSERT INTO certificates (session_id, name, key_fingerprint, serial, subject, given_at, not_after, address)
     VALUES (@session_id, @name, @key_fingerprint, @serial, @subject, @given_at, @not_after, @address)
     ON CONFLICT (session_id, name) DO UPDATE SET serial = excluded.serial, subject = excluded.subject,
       given_at = excluded.given_at, not_after = excluded.not_after
       WHERE key_fingerprint = excluded.key_fingerprint`,
  );
  const begin = database.transaction((owner: SessionOwner, release: Omit<Release, 'completedAt'>) => {
    putOwner(owner);
    return putRelease.run(owner.session.id, release.begunAt, release.address).changes === 1;
  });
  const give = database.transaction((owner: SessionOwner, certificate: GivenCertificate) => {
    putOwner(owner);
    return putCertificate.run(certificateToRow(owner.session.id, certificate)).changes === 1;
  });

  return {
    releaseOf(sessionId) {
      const row = findRelease.get(sessionId);
      return row === undefined ? undefined : releaseFromRow(row);
    },
    beginRelease: (owner, release) => begin.immediate(owner, release),
    completeRelease: (sessionId, at) => void endRelease.run(at, sessionId),
    certificateOf(sessionId, name) {
      const row = findCertificate.get(sessionId, name);
      return row === undefined ? undefined : certificateFromRow(row);
    },
    giveCertificate: (owner, certificate) => give.immediate(owner, certificate),
  };
}
