import type { BootPlan } from '../boot/boot-plan.ts';
import type { QueueHolder, QueueVerdict, QueueWaiter } from '../boot/boot-queue.ts';
import type { GeneratedFile } from '../boot/generated-files.ts';
import type { SessionTokens } from '../boot/session-token.ts';
import type { Logger } from '../logger.ts';
import type { Labels, MachineFacts } from '../machine/facts.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type { Role } from '../machine/role.ts';
import type { BootSession, NodeRegistration } from '../machine/session.ts';
import type { FileSender, MemoryFiles } from '../net/port.ts';
import type { Authorities, Entitlement, SignedCertificate } from '../pki/port.ts';
import type { BootContext, IdentityContext, TemplateContext } from '../render/context.ts';
import type { GrubPlace, GrubTransport } from '../render/grub-text.ts';
import type { Journal, Observation, OnceBook, ReleaseBook } from '../store/port.ts';

/** The server as a machine reached it. `url` has no trailing slash. */
export interface ServerPlace {
  readonly address: Ipv4;
  readonly url: string;
}

export type BootablePlan = Extract<BootPlan, { kind: 'boot' }>;

/** A request by TFTP. `server`: the address that was asked. `asked` is fit for logs and events. */
export interface LoaderRequest {
  readonly asked: string;
  readonly remote: Ipv4 | undefined;
  readonly server: Ipv4;
  readonly via: string | undefined;
}

/** What a GRUB is told: GRUB's language, and where it came from. */
export interface GrubRenderer {
  readonly bootstrap: (place: GrubPlace) => string;
  readonly machineScript: (input: {
    readonly role: Role;
    readonly context: BootContext;
    readonly hostname: string;
    readonly transport: GrubTransport;
  }) => string;
  readonly waitScript: (input: {
    readonly place: GrubPlace;
    readonly transport: GrubTransport;
    readonly message: string;
    readonly facts: MachineFacts;
    readonly seconds: number;
    readonly isBrief?: boolean;
    readonly choice?: string | undefined;
  }) => string;
  readonly refusalScript: (input: {
    readonly place: GrubPlace;
    readonly message: string;
    readonly seconds: number;
    readonly labels?: Labels | undefined;
  }) => string;
}

/**
 * What turns decisions into texts: the functions of render/. Each may throw TinderboxError `invalid-template`, whose
 * message is for the operator and never sent to the machine.
 */
export interface Renderer {
  readonly bootstrapScript: (input: {
    readonly url: string;
    readonly syslog?: string;
    readonly labels?: Labels | undefined;
  }) => string;
  readonly machineScript: (input: {
    readonly role: Role;
    readonly context: BootContext;
    readonly hostname: string;
  }) => string;
  /** Shows the message and asks again after `seconds`, as the refusal does. */
  readonly waitScript: (input: {
    readonly url: string;
    readonly message: string;
    readonly facts: MachineFacts;
    readonly seconds: number;
    readonly isBrief?: boolean;
    readonly choice?: string | undefined;
  }) => string;
  readonly refusalScript: (input: {
    readonly url: string;
    readonly message: string;
    readonly seconds: number;
    readonly labels?: Labels | undefined;
  }) => string;
  /** Called only for a role that has a `config`. */
  readonly renderConfig: (
    role: Role,
    context: TemplateContext,
    /** One of those beside the main document. */
    file?: string,
  ) => { readonly body: string; readonly contentType: string };
}

/** Whose credentials. */
export interface CredentialRequest {
  readonly mac: Mac;
  readonly plan: BootablePlan;
  /** Where it asks from: its address in certificates, unless it has a reservation. */
  readonly remote: Ipv4 | undefined;
  /** `<server.url>/boot/<token>` */
  readonly sessionUrl: string;
}

/** The cluster's certificates, and the book of who got which. */
export interface MachineCredentials {
  /** Whether configurations of the role hold private keys. */
  readonly releasesSecrets: (role: Role) => boolean;
  /** What its configuration would hold, with samples for secrets. Throws as `entitlement` does. */
  readonly sample: (request: CredentialRequest) => IdentityContext;
  /** New keys, certified. Throws as `entitlement`, and as Authorities.issue does. */
  readonly issue: (
    request: CredentialRequest,
  ) => Promise<{ readonly identity: IdentityContext; readonly certificates: readonly SignedCertificate[] }>;
  /** Throws TinderboxError `refused` if it may not have a certificate of that name; `invalid-config`. */
  readonly entitlement: (request: CredentialRequest, name: string) => Entitlement;
  readonly signRequest: Authorities['signRequest'];
  readonly book: ReleaseBook;
}

export interface ContextRequest {
  readonly plan: BootablePlan;
  readonly facts: MachineFacts;
  readonly session: BootSession;
  readonly server: ServerPlace;
  /** `<server.url>/boot/<token>` */
  readonly sessionUrl: string;
  readonly remote: Ipv4 | undefined;
  /** With secrets, for a configuration that is being released; absent: described without any. */
  readonly identity?: IdentityContext;
  /** For a script: what reads it. */
  readonly loader?: ScriptLoader;
}

/** Who reads a script, and by which way it loads what stands there. */
export type ScriptLoader = 'ipxe' | 'grub-http' | 'grub-tftp';

/** What scripts and configurations are made with, and where their files come from if that is not here. */
export interface ScriptContext extends BootContext {
  readonly mirrorReasons?: readonly string[];
}

/** Bounds on what a client may cost. Times in milliseconds, sizes in bytes. */
export interface HttpLimits {
  /** Open connections in all. For one more, the oldest that asks for nothing goes; else it is told to come back. */
  readonly connections: number;
  /** As `connections`, of one remote address. */
  readonly connectionsPerAddress: number;
  /** Above `connections`, those that are still told to come back; the others are closed without a word. */
  readonly toldConnections: number;
  readonly headerBytes: number;
  readonly bodyBytes: number;
  readonly headersTime: number;
  readonly requestTime: number;
  readonly keepAliveTime: number;
  /** A client that takes no byte of its download for so long is dropped. */
  readonly stallTime: number;
  /** How often headersTime and requestTime are checked. */
  readonly checkInterval: number;
}

/** Where to listen; `via` names the interface, for events. With `fd` that descriptor listens already, on `host`. */
export interface HttpPlace {
  readonly host: string;
  readonly via?: string;
  readonly fd?: number;
}

/** What is not here, and was or is being fetched from where it is. */
export type PulledAsset =
  | {
      readonly kind: 'held';
      /** A regular file `name` of `folder`, all of it. */
      readonly folder: string;
      readonly name: string;
      /** How it comes to be here, for the timeline. */
      readonly reason: string;
    }
  | {
      /** Its bytes can be sent while they come. */
      readonly kind: 'growing';
      readonly size: number;
      readonly etag: string;
      /** Milliseconds since the epoch. */
      readonly lastModified: number;
      readonly reason: string;
      /**
       * `read` waits for at least one byte from `at`, and none at or after `end`, valid until the next call; undefined: no
       * more of this version comes. Rejects with Node's error.
       */
      readonly follow: () => Promise<{
        read(at: number, end: number): Promise<Buffer | undefined>;
        close(): Promise<void>;
      }>;
    }
  | {
      /** Of a HEAD: nothing is fetched for it. */
      readonly kind: 'described';
      readonly size: number;
      readonly etag: string;
      readonly lastModified: number;
      readonly reason: string;
    }
  | {
      readonly kind: 'refused';
      readonly status: 404 | 502 | 503 | 504 | 507 | 508;
      readonly reason: string;
      /** Seconds. iPXE comes again by itself, after a 503 alone. */
      readonly retryAfter?: number;
    };

/** Fetches once what many ask for. Does not reject. */
export interface PullThrough {
  find(request: {
    /** As parseAssetPath gives them. */
    readonly segments: readonly string[];
    readonly method: string;
    /** The header of that name, which ends a ring of servers that all fetch from the next. */
    readonly via?: string | undefined;
  }): Promise<PulledAsset>;
}

/** Who may load large files now, and who waits for that. Times in milliseconds by a clock that never jumps. */
export interface BootPlaces {
  /** So many machines load at once. */
  readonly places: number;
  /** Bytes: smaller files wait for nobody. */
  readonly largerThan: number;
  /** How large a file is (`/assets/…`). */
  learn(path: string, size: number): void;
  /** Of these paths, those whose size was never learned. */
  unknown(paths: readonly string[]): readonly string[];
  /** Undefined: it loads nothing large. */
  askForBoot(boot: {
    readonly mac: Mac;
    readonly address: Ipv4 | undefined;
    readonly paths: readonly string[];
  }): QueueVerdict | undefined;
  /** `bytes` of a file of `size`. Undefined as above, and where `go` `ended` is to be called, whatever comes of it. */
  askForDownload(
    download: {
      readonly remote: Ipv4 | undefined;
      readonly path: string;
      readonly bytes: number;
      readonly size: number;
    },
    journal: Pick<Journal, 'macAt' | 'sessionOf'>,
  ): { readonly verdict: QueueVerdict | undefined; readonly ended: (whole: boolean) => void };
  /** What is loaded by TFTP. */
  notice(observation: Observation): void;
  leave(mac: Mac): void;
  /** Its turn is the next. False: it does not wait. */
  moveUp(mac: Mac): boolean;
  /** From 1; undefined: it does not wait. */
  positionOf(mac: Mac): number | undefined;
  /** So many of each at most, and how many there are; `now` by the same clock. */
  view(most: number): {
    readonly counts: { readonly holding: number; readonly waiting: number };
    readonly holders: readonly QueueHolder[];
    readonly waiters: readonly QueueWaiter[];
    readonly now: number;
  };
}

export interface HttpServerOptions {
  /** One listener each from the start; `open` adds others. */
  readonly listen: readonly HttpPlace[];
  /** 0: any free one (the same on no two addresses). */
  readonly port: number;
  /** Replaces `http://<address>[:port]` in everything sent to machines. */
  readonly url?: string;
  /** The folder that `/assets` serves. It may be a link; it may be missing, and is looked for at each request. */
  readonly assets: string;
  /** Where files come from that are not there. */
  readonly pullThrough?: PullThrough;
  /** The file without links that a loader's name stands for, where it is not in `<assets>/ipxe` but served all the same. */
  readonly findLoader?: (name: string) => Promise<string | undefined>;
  /** Bytes of hot files held in memory. */
  readonly cacheBytes: number;
  /** Where they are held. Absent: in the main thread's heap, from where only the main thread sends. */
  readonly memoryFiles?: MemoryFiles;
  /** What sends large files. Absent: the main thread. Who passed it stops it, after this server. */
  readonly fileSender?: FileSender;
  /** Seconds after its newest script in which a session's configuration may be fetched. */
  readonly sessionTime: number;
  readonly strictAddress: boolean;
  readonly journal: Journal;
  readonly sessionTokens: SessionTokens;
  /** Whether a machine of this role is to become a Node, and its session ends with that. */
  readonly joinsCluster: (role: Role) => boolean;
  /** What its Node is to register with. Absent, as what it returns may be: nothing is known of Nodes. */
  readonly registration?: (
    request: Pick<CredentialRequest, 'mac' | 'plan' | 'remote'>,
  ) => NodeRegistration | undefined;
  /** `choice`: the role that was chosen from a menu, which counts as long as the machine's role is a menu that offers it. */
  readonly plan: (facts: MachineFacts, choice?: string) => BootPlan | Promise<BootPlan>;
  /** What is told of boots by a `once:`. */
  readonly once: Pick<OnceBook, 'arrives' | 'tries' | 'succeeds' | 'written'>;
  /** Absent: matchbox's routes are not answered. `plan` gives nobody a place that is not its own already. */
  readonly matchbox?: { readonly plan: (facts: MachineFacts) => BootPlan | Promise<BootPlan> };
  readonly buildContext: (request: ContextRequest) => ScriptContext;
  /** Absent: tinderbox.yaml has no `cluster:`, and nobody gets a certificate. */
  readonly credentials?: MachineCredentials;
  /** Whether iPXE is told to send its console here. */
  readonly syslog?: boolean;
  readonly renderer: Renderer;
  /** The same in GRUB's language. */
  readonly grub: GrubRenderer;
  /** What a session's role has at this path (`/assets/…`); undefined: nothing that is fetched in order. */
  readonly assetStage: (session: BootSession, path: string) => 'kernel' | 'initrd' | undefined;
  /** The paths (`/assets/…`) of its kernel and initrds that are fetched from here. Absent, as what it returns may be: none. */
  readonly assetPaths?: (session: BootSession) => readonly string[] | undefined;
  /** Absent: nobody waits. */
  readonly queue?: BootPlaces;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly clock: () => number;
  readonly limits?: Partial<HttpLimits>;
  /** Names the program that holds a TCP port, where that can be seen. */
  readonly whoHolds?: (port: number, host: string) => Promise<string | undefined>;
}

export interface HttpServer {
  /** The same texts for who asks by TFTP; undefined: there is none of that name. Rejects with what a route throws. */
  generate(file: GeneratedFile, request: LoaderRequest): Promise<string | undefined>;
  /** Which stage the download of a path (`/assets/…`) proves for the machine at an address; undefined: none. */
  assetStage(remote: Ipv4 | undefined, path: string): 'kernel' | 'initrd' | undefined;
  /** Those of `listen`. */
  readonly addresses: readonly { readonly host: string; readonly port: number; readonly via?: string }[];
  /** Listens on more addresses; all or none. Throws as startHttpServer does. */
  open(places: readonly HttpPlace[]): Promise<HttpListeners>;
  /** Stops accepting, lets transfers finish for `graceMs`, then drops them. */
  stop(options: { readonly graceMs: number }): Promise<void>;
}

export interface HttpListeners {
  /**
   * Stops accepting. Downloads that run go on, also where the address is gone: it may come back before the client gives
   * up, and one that takes nothing for too long is dropped as everywhere.
   */
  close(): void;
}
