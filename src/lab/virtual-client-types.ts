import type { FirmwareArchitecture } from '../machine/architecture.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import type { Mac } from '../machine/mac.ts';
import type { DatagramSocket, UdpSocketOptions } from '../net/port.ts';
import type { ClientPort } from './virtual-client-port.ts';

/** The virtual machine: what its ROM knows of itself. */
export interface VirtualMachine {
  readonly mac: Mac;
  /** Lower case, hyphens. */
  readonly uuid: string;
  readonly architecture: FirmwareArchitecture;
  readonly serial?: string;
  readonly asset?: string;
  readonly manufacturer?: string;
  readonly product?: string;
}

/** In the order in which a machine goes through them; not every machine goes through all. */
export const CLIENT_STEPS = [
  'rom-discover',
  'rom-request',
  'rom-proxy',
  'tftp-size',
  'tftp-read',
  'http-loader',
  'ipxe-discover',
  'ipxe-request',
  'ipxe-proxy',
  'boot-script',
  'script',
  'kernel',
  'initrd',
  'local-disk',
  'os-discover',
  'os-request',
  'config',
  'certificate',
  'report',
] as const;
export type ClientStepName = (typeof CLIENT_STEPS)[number];

/** One thing the machine did, and what came back. */
export interface ClientStep {
  readonly step: ClientStepName;
  readonly ok: boolean;
  readonly asked: string;
  /** Where it failed: what was expected and did not come. */
  readonly answered: string;
  readonly remedy?: string;
  /** Bytes of the answer. */
  readonly bytes: number;
  readonly ms: number;
  /** Of `ms`: what it spent waiting because it was told to (`Retry-After`). Absent: nothing. */
  readonly waitedMs?: number;
}

export interface CapturedPacket {
  /** Milliseconds since the machine was switched on. */
  readonly at: number;
  readonly direction: 'sent' | 'received';
  readonly peer: Ipv4;
  readonly peerPort: number;
  readonly bytes: Uint8Array;
}

/** A file that was fetched and thrown away. */
export interface FetchedFile {
  readonly url: string;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

export interface SimulationResult {
  /** It came as far as it was asked to. */
  readonly ok: boolean;
  readonly steps: readonly ClientStep[];
  readonly packets: readonly CapturedPacket[];
  /** The address in each of the machine's three lives; absent where it never had one. */
  readonly addresses: { readonly rom?: Ipv4; readonly ipxe?: Ipv4; readonly os?: Ipv4 };
  readonly loader?: FetchedFile;
  readonly scripts: readonly { readonly url: string; readonly text: string }[];
  /** What iPXE printed. */
  readonly console: readonly string[];
  readonly kernel?: FetchedFile;
  readonly initrds: readonly FetchedFile[];
  readonly cmdline?: string;
  /** It went on with its own disk, and the network has no more to do with it. */
  readonly localDisk?: boolean;
  readonly config?: string;
  /** As the configuration or, failing that, DHCP names it. */
  readonly hostname?: string;
  /** As the script or the configuration names it; not every answer says. */
  readonly role?: string;
  readonly ms: number;
  /** Of `ms`: what it waited because it was told to, by a script's `sleep` or by `Retry-After`. */
  readonly waitedMs: number;
}

/** Milliseconds. Waits are how long each try listens before the next one is sent. */
export interface ClientTiming {
  /** EDK2 asks when `secs` is 0, 4, 12, 28 and gives up (seen). */
  readonly discoverWaits: readonly number[];
  /** As often, where nobody sets it otherwise (code: EDK2's DhcpSetState, mDhcp4DefaultTimeout). */
  readonly requestWaits: readonly number[];
  readonly proxyWaits: readonly number[];
  /** How long the ROM goes on listening after an offer it can boot from; EDK2 takes its whole first wait. */
  readonly settle: number;
  /** How long iPXE listens for a proxy after it has an address (code: DHCP_DISC_PROXY_TIMEOUT_SEC). */
  readonly ipxeProxyWait: number;
  /** The factor on the script's `sleep` and on `Retry-After`. */
  readonly sleepScale: number;
  /** Of the request for a file's size, and of each packet of a storm's transfers; how often it is sent in all. */
  readonly tftpTimeout: number;
  readonly tftpTries: number;
  /** Of a whole answer; infinite where whoever fetches ends what falls silent. */
  readonly httpTimeout: number;
}

export const FIRMWARE_TIMING: ClientTiming = {
  discoverWaits: [4000, 8000, 16000, 32000],
  requestWaits: [4000, 8000, 16000, 32000],
  proxyWaits: [1000, 2000, 4000],
  settle: 300,
  ipxeProxyWait: 2000,
  sleepScale: 1,
  tftpTimeout: 2000,
  tftpTries: 3,
  httpTimeout: 60000,
};

/** Firmware's rhythm, faster: for tests and load, where waiting proves nothing. */
export function scaleTiming(timing: ClientTiming, factor: number): ClientTiming {
  const scale = (waits: readonly number[]): number[] => waits.map((wait) => wait * factor);
  return {
    ...timing,
    discoverWaits: scale(timing.discoverWaits),
    requestWaits: scale(timing.requestWaits),
    proxyWaits: scale(timing.proxyWaits),
    settle: timing.settle * factor,
    ipxeProxyWait: timing.ipxeProxyWait * factor,
    sleepScale: timing.sleepScale * factor,
  };
}

/** Reads a whole file over TFTP; throws a TinderboxError. `timeout` in milliseconds, of the whole transfer's silence. */
export type ReadTftpFile = (
  host: string,
  port: number,
  name: string,
  options: { readonly blockSize?: number; readonly windowSize?: number; readonly timeout?: number },
) => Promise<Uint8Array>;

/** What of a `Response` is used. */
export interface HttpAnswer {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: (AsyncIterable<Uint8Array> & { cancel(): Promise<void> }) | null;
  text(): Promise<string>;
}

/** What of `fetch` is used; Node's own fits. */
export type FetchHttp = (
  url: string,
  init: {
    readonly method: 'GET' | 'POST';
    readonly headers: Record<string, string>;
    readonly redirect: 'follow' | 'error';
    readonly signal: AbortSignal;
    readonly body?: string;
  },
) => Promise<HttpAnswer>;

export interface VirtualClientDeps {
  /** Shared by all virtual machines of an interface. */
  readonly port: ClientPort;
  /** For the size probe, from a port of its own. */
  readonly openSocket: (options: UdpSocketOptions) => Promise<DatagramSocket>;
  readonly fetch: FetchHttp;
  readonly readFile: ReadTftpFile;
  /** Milliseconds that never go back. */
  readonly now: () => number;
  /** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** 32 random bits. */
  readonly randomXid: () => number;
  /** Server ports, where tests cannot have the real ones. */
  readonly ports?: { readonly dhcp: number; readonly pxe: number; readonly tftp: number };
  /** PKCS #10 in PEM: where its configuration names URLs for it, it has its certificates signed. Absent: it does not. */
  readonly signingRequest?: string;
  /** Called with each address the machine gets, before it is used: a lab gives it to the interface. */
  readonly useAddress?: (address: Ipv4, prefix: number) => Promise<void>;
}

export interface VirtualClientOptions {
  readonly timing: ClientTiming;
  /** Where to stop: `loader` after the boot file, `config` before the report. */
  readonly until: 'loader' | 'script' | 'config' | 'report';
  /** Called with each step as it ends. */
  readonly onStep?: (step: ClientStep) => void;
  /** Called with what a script has on the screen as it begins to wait, once for each change. */
  readonly onScreen?: (lines: readonly string[]) => void;
  /** Called as it begins to wait because it was told to: by a script's `sleep`, or by `503` with `Retry-After`. */
  readonly onWait?: (ms: number) => void;
  readonly signal: AbortSignal;
  /** Keep packets in the result; a load of a thousand machines does not want them. */
  readonly keepPackets: boolean;
  /** How often it asks for a script before it gives up, although a real machine that waits asks for ever. */
  readonly questions?: number;
  /** How often it comes back after `503` with `Retry-After`; 3. iPXE does so for ever. */
  readonly comebacks?: number;
  /**
   * How often the operating system asks again for its configuration, and says again that it booted, after silence, a 408, 429 or 5xx;
   * 0, so that the first fault is seen. cloud-init, coreos-cloudinit and Ignition all do.
   */
  readonly systemRetries?: number;
}
