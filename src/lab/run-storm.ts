import { formatIpv4, type Ipv4 } from '../machine/ipv4.ts';
import type { BorrowedAddresses, DatagramSocket, OpenUdpSocket, UdpSocketOptions } from '../net/port.ts';
import { abortWith } from './abort-with.ts';
import { createLoss, losePort, loseSocket } from './lose-packets.ts';
import type { MachineEnd } from './storm-figures.ts';
import { createStormFetch } from './storm-http.ts';
import { type StormPlace, stageAfter } from './storm-stages.ts';
import { readForStorm } from './storm-tftp.ts';
import { createClientPort, FIRMWARE_TIMING, runVirtualClient } from './virtual-client.ts';
import type { SimulationResult, VirtualClientDeps, VirtualMachine } from './virtual-client-types.ts';

export interface StormOrder {
  readonly interface: string;
  readonly machines: readonly VirtualMachine[];
  /** Milliseconds after the start, one a machine. */
  readonly arrivals: readonly number[];
  /** Machines at the same time, at most; the next is switched on when one has come to its end. Absent: as they arrive. */
  readonly underWay?: number;
  /** The share of datagrams that is lost, each way; 0 to 1. TCP's losses are the kernel's, and not in it. */
  readonly loss: number;
  /** How often a machine begins at all: firmware whose only boot option is the network begins anew. */
  readonly attempts: number;
  /** Milliseconds that a machine has from its power button to its report, in all attempts together. */
  readonly timeout: number;
  /** Ends the storm; what has come to an end until then is told. */
  readonly signal: AbortSignal;
}

export interface StormDeps {
  readonly openSocket: OpenUdpSocket;
  readonly inBatches: (socket: DatagramSocket) => DatagramSocket;
  readonly addresses: BorrowedAddresses;
  /** One for all machines: a rack has a processor for each key, and this host has not. */
  readonly signingRequest: string;
  /** Milliseconds that never go back. */
  readonly now: () => number;
  readonly sleep: VirtualClientDeps['sleep'];
  readonly randomXid: () => number;
  /** 0 up to, but not, 1. */
  readonly random: () => number;
}

export interface StormResult {
  /** In the order in which they ended. */
  readonly ends: readonly MachineEnd[];
  /** Attempts that failed, of machines that began anew. */
  readonly restarts: readonly MachineEnd[];
  /** Machines that were still under way when the storm was stopped, or not switched on. */
  readonly unfinished: number;
  /** Milliseconds from the first power button to the last end. */
  readonly ms: number;
  readonly lostPackets: number;
  /** Replies for which this host had no room: as if lost, but by nobody's wish. */
  readonly droppedReplies: number;
}

export interface Storm {
  readonly done: Promise<StormResult>;
  /** How many machines stand where, now. */
  places(): ReadonlyMap<StormPlace, number>;
}

/** EDK2's patience (code: PXEBC_MTFTP_TIMEOUT, PXEBC_MTFTP_RETRIES); a connection that is silent ends by itself. */
const PATIENT = { tftpTimeout: 4_000, tftpTries: 6, httpTimeout: Number.POSITIVE_INFINITY } as const;
/** iPXE gives up a connection that is silent for so long. */
const HTTP_SILENCE = 60_000;
/** A machine that begins anew tests itself first; real ones take longer. */
const SELF_TEST = 5_000;
/** coreos-cloudinit's. */
const SYSTEM_RETRIES = 15;

/**
 * Boots many machines, each as the virtual client does it, with firmware's retries and an address of its own. Rejects where
 * port 68 of the interface cannot be opened. The addresses are the caller's to give back.
 */
export async function startStorm(order: StormOrder, deps: StormDeps): Promise<Storm> {
  const { machines, arrivals } = order;
  const loss = createLoss(order.loss, deps.random);
  const shared = await createClientPort(deps.openSocket, order.interface, { inBatches: deps.inBatches });
  const port = order.loss === 0 ? shared : losePort(shared, loss.lose);
  const openSocket = async (options: UdpSocketOptions): Promise<DatagramSocket> => {
    const socket = await deps.openSocket(options);
    return order.loss === 0 ? socket : loseSocket(socket, loss.lose);
  };
  /** Of all machines: what keeps one from running at all ends the others. */
  const storm = abortWith(order.signal);
  const { signal } = storm;
  const places = new Map<StormPlace, number>([['off', machines.length]]);
  const ends: MachineEnd[] = [];
  const restarts: MachineEnd[] = [];
  const started = deps.now();

  const runMachine = async (machine: VirtualMachine, arrival: number): Promise<void> => {
    let place: StormPlace = 'off';
    const move = (to: StormPlace): void => {
      places.set(place, (places.get(place) ?? 0) - 1);
      places.set(to, (places.get(to) ?? 0) + 1);
      place = to;
    };
    await deps.sleep(arrival - (deps.now() - started), signal);
    if (signal.aborted) return;
    const began = deps.now();
    using ownTime = abortWith(signal, order.timeout);
    const stop = ownTime.signal;
    const boot = (): Promise<SimulationResult> =>
      runVirtualClient(machine, depsOf({ deps, port, openSocket, stop }), {
        timing: { ...FIRMWARE_TIMING, ...PATIENT },
        until: 'report',
        keepPackets: false,
        signal: stop,
        questions: Number.POSITIVE_INFINITY,
        comebacks: Number.POSITIVE_INFINITY,
        systemRetries: SYSTEM_RETRIES,
        onStep: ({ step }) => move(stageAfter(step)),
        onWait: () => move('waiting'),
      });
    for (let attempt = 1; ; attempt++) {
      move('rom-dhcp');
      const { ok, steps, waitedMs } = await boot();
      if (!ok && signal.aborted) return;
      const end = { mac: machine.mac, result: { ok, steps, waitedMs, ms: deps.now() - began } };
      if (!ok && attempt < order.attempts && !stop.aborted) {
        restarts.push(end);
        move('off');
        await deps.sleep(SELF_TEST, stop);
        continue;
      }
      move(ok ? 'booted' : 'failed');
      ends.push(end);
      return;
    }
  };

  const run = async (): Promise<StormResult> => {
    let droppedReplies = 0;
    try {
      const left = machines.entries();
      const runOneByOne = async (): Promise<void> => {
        for (const [index, machine] of left) await runMachine(machine, arrivals[index] ?? 0);
      };
      await Promise.all(Array.from({ length: order.underWay ?? machines.length }, runOneByOne));
    } catch (error) {
      storm.abort();
      throw error;
    } finally {
      storm[Symbol.dispose]();
      droppedReplies = shared.dropped();
      await shared.close();
    }
    return {
      ends,
      restarts,
      unfinished: machines.length - ends.length,
      ms: deps.now() - started,
      lostPackets: loss.lost(),
      droppedReplies,
    };
  };
  return { done: run(), places: () => places };
}

interface MachineParts {
  readonly deps: StormDeps;
  readonly port: VirtualClientDeps['port'];
  readonly openSocket: (options: UdpSocketOptions) => Promise<DatagramSocket>;
  readonly stop: AbortSignal;
}

/** What a machine sees of the world: all of it from the address that it was given. */
function depsOf({ deps, port, openSocket, stop }: MachineParts): VirtualClientDeps {
  let own: Ipv4 | undefined;
  const openOwn = (options: UdpSocketOptions): Promise<DatagramSocket> =>
    openSocket(own === undefined ? options : { ...options, address: own });
  return {
    port,
    openSocket: openOwn,
    fetch: createStormFetch(() => (own === undefined ? undefined : formatIpv4(own)), HTTP_SILENCE),
    readFile: (host, tftpPort, name, { blockSize = 512, windowSize = 1 }) =>
      readForStorm({
        openSocket: () => openOwn({ port: 0 }),
        host,
        port: tftpPort,
        name,
        blockSize,
        windowSize,
        timeout: PATIENT.tftpTimeout,
        tries: PATIENT.tftpTries,
        signal: stop,
      }),
    now: deps.now,
    sleep: deps.sleep,
    signingRequest: deps.signingRequest,
    randomXid: deps.randomXid,
    async useAddress(address) {
      deps.addresses.borrow(address);
      own = address;
    },
  };
}
