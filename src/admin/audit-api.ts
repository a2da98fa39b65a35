/** Who asks the admin plane for something. */
export interface Actor {
  /** A user's name on the unix socket, `token` for its holder. */
  readonly name: string;
  readonly via: 'socket' | 'token' | 'page' | 'daemon';
  /** Of the client, where it came by TCP. */
  readonly address?: string;
}

/** One change that somebody asked for, done or not. */
export interface AuditRecord {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly actor: Actor;
  /** `assign`, `approve`, `forget`, `reload`, `power-cycle`, … */
  readonly action: string;
  /** A MAC or a name. */
  readonly target?: string;
  readonly outcome: 'done' | 'refused' | 'failed';
  /** What was changed to what, or why it was not; never a secret. */
  readonly detail: string;
}

export interface AuditListView {
  /** Newest first. */
  readonly records: readonly AuditRecord[];
}
