/** A Node, as much of it as matters here. Texts are printable and bounded. */
export interface NodeState {
  readonly name: string;
  readonly ready: boolean;
  /** Why it is, or is not: reason and message of its condition Ready. */
  readonly reason: string;
  /** From SMBIOS, as the kubelet read it. */
  readonly systemUuid?: string;
  /** The kernel's, new at each boot. */
  readonly bootId?: string;
  readonly addresses: readonly string[];
  /** Which of its states this is (`metadata.resourceVersion`); another with each write. */
  readonly version?: string;
}

/** What Tinderbox shows to the API server, and whom it believes. PEM. The key is a secret. */
export interface ClusterCredentials {
  readonly caPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

export interface WatcherStatus {
  /** unreachable: normal, tried again quietly; refused: somebody has to do something. */
  readonly state: 'connecting' | 'watching' | 'unreachable' | 'refused' | 'stopped';
  /** Since when, milliseconds since the epoch. */
  readonly since: number;
  /** Whether all Nodes were listed at least once: only then is one that is not known not there. */
  readonly synced: boolean;
  readonly nodes: number;
  /** What is wrong, where something is. */
  readonly problem?: { readonly message: string; readonly remedy?: string };
}

export interface NodeWatcher {
  start(): void;
  /** Resolves within a second, with every connection closed. */
  stop(): Promise<void>;
  /** As last heard; they stay known while the API server is away. */
  nodes(): ReadonlyMap<string, NodeState>;
  /**
   * Deletes the Node object; with a `version` only if it was not written since, else TinderboxError `busy` is thrown.
   * Throws also: `usage` for what is no Node's name, `refused` if the API server says no, `unavailable` if it is not
   * there.
   */
  deleteNode(name: string, version?: string): Promise<'deleted' | 'absent'>;
  status(): WatcherStatus;
}
