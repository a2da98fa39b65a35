import { readSync } from 'node:fs';
import { errnoName } from './errno-name.ts';
import type { SenderAnswer, SenderCall } from './file-sender-messages.ts';
import type { TransferCalls } from './libc-transfers.ts';
import type { SentBytes } from './port.ts';

export interface SendLoopDeps {
  readonly libc: TransferCalls;
  readonly epoll: number;
  readonly waker: number;
  readonly answer: (message: SenderAnswer) => void;
  /** Milliseconds of a clock that is never set. */
  readonly now: () => number;
}

export interface SendLoop {
  take(call: Exclude<SenderCall, { kind: 'end' }>): void;
  isBusy(): boolean;
  /** Waits for room in sockets or for a message, at most for some hundred milliseconds, and fills what there is. */
  turn(): void;
}

/** A socket is given so much before it is another's turn. */
const SHARE_BYTES = 512 * 1024;
/** As much is copied at once. What a socket does not take of it is read again, which is cheaper than keeping it. */
const COPY_BYTES = 128 * 1024;
const COPIES_EACH_TURN = 2;
/** The kernel is asked for as much of a file, ahead of what is being sent. */
const AHEAD_BYTES = 4 * 1024 * 1024;
/** The longest wait, after which a thread that is to end notices it. In ms. */
const LONGEST_WAIT = 250;
/** No transfer has it. */
const WAKER_ID = 0;

interface Job {
  readonly id: number;
  readonly socket: number;
  readonly file: number;
  readonly way: 'as-it-is' | 'copied';
  readonly start: number;
  readonly end: number;
  readonly aliveEvery: number;
  at: number;
  allowed: number;
  /** Whether room in the socket is waited for, or only the connection's end. */
  watched: boolean;
  moved: boolean;
  askedAhead: number;
}

export function createSendLoop({ libc, epoll, waker, answer, now }: SendLoopDeps): SendLoop {
  const jobs = new Map<number, Job>();
  const drained = new Uint8Array(8);
  let copy: Buffer | undefined;
  let reportedAt = 0;

  const end = (job: Job, kind: SentBytes['kind'], reason?: string): void => {
    jobs.delete(job.id);
    // By itself a descriptor leaves with its socket's last one, and the daemon has another.
    libc.watch(epoll, 'remove', job.socket, 'nothing', job.id);
    const sent = { bytes: job.at - job.start, kind, ...(reason === undefined ? {} : { reason }) };
    answer({ kind: 'ended', id: job.id, sent });
  };
  const watch = (job: Job, wanted: boolean): void => {
    if (job.watched === wanted) return;
    job.watched = wanted;
    libc.watch(epoll, 'change', job.socket, wanted ? 'writable' : 'nothing', job.id);
  };
  const sendUncopied = (job: Job, bytes: number): number =>
    libc.sendFile(job.socket, job.file, job.at, bytes);
  /** Throws Node's error of a bad read. */
  const sendCopied = (job: Job, bytes: number): number => {
    if (job.askedAhead < job.at + AHEAD_BYTES / 2) {
      libc.readAhead(job.file, job.at, AHEAD_BYTES);
      job.askedAhead = job.at + AHEAD_BYTES;
    }
    copy ??= Buffer.allocUnsafeSlow(COPY_BYTES);
    const read = readSync(job.file, copy, 0, Math.min(bytes, COPY_BYTES), job.at);
    return read === 0 ? 0 : libc.sendBytes(job.socket, copy, read);
  };
  const fill = (job: Job): void => {
    const rounds = job.way === 'copied' ? COPIES_EACH_TURN : 1;
    for (let round = 0; round < rounds; round++) {
      const bytes = Math.min(job.end, job.allowed) - job.at;
      if (bytes <= 0) break;
      let took: number;
      try {
        took =
          job.way === 'copied' ? sendCopied(job, bytes) : sendUncopied(job, Math.min(bytes, SHARE_BYTES));
      } catch (error) {
        return end(job, 'failed', (error as Error).message);
      }
      if (took === 0) return end(job, 'short');
      if (took < 0) {
        const failure = libc.failure();
        if (failure === 'try-again') return;
        return failure === 'gone' ? end(job, 'gone') : end(job, 'failed', errnoName(failure.errno));
      }
      job.at += took;
      job.moved = true;
    }
    if (job.at === job.end) end(job, 'complete');
    else if (job.at >= job.allowed) watch(job, false);
  };
  const report = (): void => {
    let every = Number.POSITIVE_INFINITY;
    for (const { aliveEvery } of jobs.values()) every = Math.min(every, aliveEvery);
    if (now() - reportedAt < every) return;
    reportedAt = now();
    // Who waits for bytes that are not there yet is not to blame.
    const alive = [...jobs.values()].filter((job) => job.moved || !job.watched);
    for (const job of alive) job.moved = false;
    if (alive.length === 0) return;
    answer({ kind: 'alive', transfers: alive.map((job) => ({ id: job.id, bytes: job.at - job.start })) });
  };

  libc.watch(epoll, 'add', waker, 'readable', WAKER_ID);
  return {
    isBusy: () => jobs.size > 0,
    take(call) {
      if (call.kind === 'send') {
        const watched = call.start < call.allowed;
        const job: Job = { ...call, at: call.start, watched, moved: false, askedAhead: 0 };
        try {
          libc.watch(epoll, 'add', job.socket, watched ? 'writable' : 'nothing', job.id);
        } catch (error) {
          // The kernel watches no more sockets for this user: what it watches already goes on.
          const sent = { bytes: 0, kind: 'failed', reason: (error as Error).message } as const;
          return answer({ kind: 'ended', id: job.id, sent });
        }
        jobs.set(job.id, job);
        return;
      }
      const job = jobs.get(call.id);
      if (job === undefined) return;
      if (call.kind === 'cancel') return end(job, 'gone');
      job.allowed = Math.max(job.allowed, call.bytes);
      watch(job, job.at < job.allowed);
    },
    turn() {
      let wait = LONGEST_WAIT;
      for (const { aliveEvery } of jobs.values()) wait = Math.min(wait, aliveEvery);
      libc.waitFor(epoll, wait, (id, ended) => {
        if (id === WAKER_ID) return void readSync(waker, drained);
        const job = jobs.get(id);
        if (job === undefined) return;
        if (ended && !job.watched) end(job, 'gone');
        else fill(job);
      });
      report();
    },
  };
}
