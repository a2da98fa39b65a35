import { TinderboxError, toTinderboxError } from '../errors.ts';
import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import { decodeDhcpPacket } from '../protocol/dhcp/packet.ts';
import { abortWith } from './abort-with.ts';
import type { ReceivedReply } from './virtual-client-port.ts';
import { type Reply, readReply } from './virtual-client-replies.ts';
import type {
  CapturedPacket,
  ClientStep,
  ClientStepName,
  VirtualClientDeps,
  VirtualClientOptions,
  VirtualMachine,
} from './virtual-client-types.ts';

/** One machine's way from power-on to report, as far as it has come. */
export interface ClientRun {
  readonly machine: VirtualMachine;
  readonly deps: VirtualClientDeps;
  readonly options: VirtualClientOptions;
  readonly startedAt: number;
  readonly steps: ClientStep[];
  readonly packets: CapturedPacket[];
  /** What the script last said before it waited; empty once the machine went on. */
  readonly screen: { waits: string };
  /** Milliseconds that it waited because it was told to. */
  readonly waited: { ms: number };
}

export interface StepAnswer<T> {
  readonly value: T;
  readonly answered: string;
  readonly bytes: number;
}

export const DHCP_SERVER_PORT = 67;
export const PXE_PORT = 4011;
export const TFTP_PORT = 69;

/** What did not come, and what to do about it. */
export function failStep(expected: string, remedy: string, cause?: unknown): TinderboxError {
  return new TinderboxError('unavailable', expected, { remedy, cause });
}

/** Runs one step, takes its time and reports it; what it throws is rethrown after the step was reported as failed. */
export async function runStep<T>(
  run: ClientRun,
  step: ClientStepName,
  asked: string,
  body: () => Promise<StepAnswer<T>>,
): Promise<T> {
  const started = run.deps.now();
  const waitedBefore = run.waited.ms;
  const report = (
    outcome: Pick<ClientStep, 'ok' | 'answered' | 'bytes'> & { readonly remedy?: string },
  ): void => {
    const waitedMs = run.waited.ms - waitedBefore;
    const waited = waitedMs === 0 ? {} : { waitedMs };
    const done: ClientStep = { step, asked, ms: run.deps.now() - started, ...waited, ...outcome };
    run.steps.push(done);
    run.options.onStep?.(done);
  };
  try {
    if (run.options.signal.aborted) throw outOfTime(run);
    const { value, answered, bytes } = await body();
    report({ ok: true, answered, bytes });
    return value;
  } catch (thrown) {
    const error = run.options.signal.aborted ? outOfTime(run) : toTinderboxError(thrown);
    const remedy = error.remedy === undefined ? {} : { remedy: error.remedy };
    report({ ok: false, answered: error.message, bytes: 0, ...remedy });
    throw error;
  }
}

/** Waits because the server said so, for so many of its milliseconds. */
export async function waitAsTold(run: ClientRun, told: number): Promise<void> {
  const ms = told * run.options.timing.sleepScale;
  const started = run.deps.now();
  run.options.onWait?.(ms);
  await run.deps.sleep(ms, run.options.signal);
  run.waited.ms += run.deps.now() - started;
}

/** For a machine that its script keeps from booting, whoever writes the script: the daemon says why. */
export const WAITING =
  'the daemon says why: tinderbox machines MAC; let it in (tinderbox approve) or give it a role (tinderbox assign)';

function outOfTime({ screen }: ClientRun): TinderboxError {
  if (screen.waits !== '')
    return failStep(`it was made to wait until the time was over: ${screen.waits}`, WAITING);
  return failStep('the time for the whole boot was over', 'give it more with --timeout');
}

/** One DHCP transaction: what was sent under one `xid`, and all that came back. */
export interface Transaction {
  readonly xid: number;
  readonly replies: readonly Reply[];
  /** Replies with this transaction's number that were no DHCP messages. */
  readonly malformed: readonly string[];
  broadcast(bytes: Uint8Array): Promise<void>;
  unicast(bytes: Uint8Array, address: Ipv4, from: 'client' | 'pxe'): Promise<void>;
  /** Resolves when `done` says so, or after `ms`. `done` is asked again at every reply. */
  listen(ms: number, done: () => boolean): Promise<void>;
  close(): void;
}

const LIMITED_BROADCAST = 0xffffffff as Ipv4;

function ignore(): void {}

export function openTransaction(run: ClientRun): Transaction {
  const { deps, machine } = run;
  const xid = deps.randomXid() >>> 0;
  const replies: Reply[] = [];
  const malformed: string[] = [];
  let wake = ignore;

  const capture = (direction: 'sent' | 'received', peer: Ipv4, peerPort: number, bytes: Uint8Array): void => {
    if (!run.options.keepPackets) return;
    run.packets.push({
      at: deps.now() - run.startedAt,
      direction,
      peer,
      peerPort,
      bytes: Uint8Array.from(bytes),
    });
  };
  const receive = (received: ReceivedReply): void => {
    capture('received', received.from, received.fromPort, received.bytes);
    try {
      const packet = decodeDhcpPacket(received.bytes);
      if (packet.op === 2) replies.push(readReply(packet, received.from));
    } catch (thrown) {
      malformed.push(`${formatIpv4(received.from)}: ${toTinderboxError(thrown).message}`);
    }
    wake();
  };
  const close = deps.port.subscribe(xid, machine.mac, receive);
  const serverPort = deps.ports?.dhcp ?? DHCP_SERVER_PORT;
  const pxePort = deps.ports?.pxe ?? PXE_PORT;

  return {
    xid,
    replies,
    malformed,
    async broadcast(bytes) {
      capture('sent', LIMITED_BROADCAST, serverPort, bytes);
      await deps.port.send(bytes, LIMITED_BROADCAST, serverPort);
    },
    async unicast(bytes, address, from) {
      capture('sent', address, pxePort, bytes);
      if (from === 'pxe') await deps.port.sendPxe(bytes, address, pxePort);
      else await deps.port.send(bytes, address, pxePort);
    },
    async listen(ms, done) {
      if (done() || run.options.signal.aborted) return;
      using stop = abortWith(run.options.signal);
      wake = () => {
        if (done()) stop.abort();
      };
      await deps.sleep(ms, stop.signal);
      wake = ignore;
    },
    close,
  };
}
