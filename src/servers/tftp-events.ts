import type { Ipv4 } from '../machine/ipv4.ts';
import type { Stage } from '../machine/stage.ts';
import type { TftpRequest } from '../protocol/tftp/packet.ts';
import type { Journal, Observation } from '../store/port.ts';
import type { CarriedTransfer } from './tftp-carrier.ts';
import type { TransferEnd } from './tftp-endings.ts';
import type { TftpFileKind } from './tftp-files.ts';
import { describeOptions, describeRequest, readable } from './tftp-texts.ts';

/** What the journal hears of transfers. `address`: the client's. */
export interface TftpEvents {
  answered(address: Ipv4, request: TftpRequest, transfer: CarriedTransfer): void;
  refused(address: Ipv4, request: TftpRequest, answered: string, reason: string): void;
  /** What is not there, and what its client does without. */
  absent(address: Ipv4, request: TftpRequest, answered: string, reason: string): void;
  ignored(address: Ipv4, request: TftpRequest, reason: string): void;
  failed(address: Ipv4, request: TftpRequest, reason: string): void;
  /** `elapsed`: milliseconds since the request. */
  done(
    address: Ipv4,
    request: TftpRequest,
    transfer: CarriedTransfer,
    end: TransferEnd,
    elapsed: number,
  ): void;
}

/** What a whole file proves. A machine that has its loader: that its firmware did its part. */
const STAGE_OF: { readonly [kind in TftpFileKind]: { readonly stage?: Stage } } = {
  loader: { stage: 'firmware' },
  kernel: { stage: 'kernel' },
  initrd: { stage: 'initrd' },
  text: {},
  script: {},
  asset: {},
};

export interface TftpEventsOptions {
  readonly journal: Pick<Journal, 'record' | 'macAt' | 'count'>;
  readonly via: string;
  readonly now: () => number;
}

export function createTftpEvents(options: TftpEventsOptions): TftpEvents {
  const { journal, via } = options;

  const record = (address: Ipv4, observation: Omit<Observation, 'at' | 'via' | 'mac'>): void => {
    const mac = journal.macAt(address);
    journal.record({ ...observation, at: options.now(), via, ...(mac !== undefined && { mac }) });
  };

  const unanswered = (
    outcome: 'refused' | 'ignored' | 'failed' | 'noted',
    address: Ipv4,
    request: TftpRequest,
    answered: string,
    reason: string,
  ): void => {
    journal.count(`tftp.read.${outcome}`);
    const asked = describeRequest(request);
    record(address, { kind: 'tftp.read', outcome, asked, answered, reasons: [reason] });
  };

  return {
    answered(address, request, transfer) {
      journal.count('tftp.read.answered');
      const { file, answer } = transfer;
      const first = answer === undefined ? 'the first block, no options' : `OACK ${describeOptions(answer)}`;
      record(address, {
        kind: 'tftp.read',
        outcome: 'answered',
        asked: describeRequest(request),
        answered: first,
        reasons: [`${readable(file.path)}, ${file.bytes.length} bytes`, ...transfer.negotiationReasons],
      });
    },
    refused: (address, request, answered, reason) =>
      unanswered('refused', address, request, answered, reason),
    absent: (address, request, answered, reason) => unanswered('noted', address, request, answered, reason),
    ignored: (address, request, reason) => unanswered('ignored', address, request, '', reason),
    failed: (address, request, reason) => unanswered('failed', address, request, '', reason),
    done(address, request, transfer, end, elapsed) {
      journal.count(`tftp.done.${end.kind}`);
      const { file } = transfer;
      const figures = transfer.figures();
      const finished = end.kind === 'finished';
      const taken = Math.min(file.bytes.length, figures.acknowledged * figures.blockSize);
      const bytes = finished ? file.bytes.length : taken;
      const sent = `${bytes} of ${file.bytes.length} bytes in ${Math.round(elapsed)} ms`;
      const again = figures.resends === 0 ? '' : `, ${figures.resends} blocks sent again`;
      record(address, {
        kind: 'tftp.done',
        outcome: finished ? 'answered' : 'noted',
        asked: `RRQ ${readable(request.name)}`,
        answered: `${sent}${again}`,
        bytes,
        reasons: reasonsOf(end),
        ...(finished && STAGE_OF[file.kind]),
      });
    },
  };
}

function reasonsOf(end: TransferEnd): readonly string[] {
  if (end.kind !== 'finished') return [end.reason];
  return end.acknowledged
    ? []
    : ['the last ACK never came, as from clients that start what they loaded at once'];
}
