import { decodeTftpPacket } from '../protocol/tftp/packet.ts';
import { errorEndsWell, type Transfer } from '../protocol/tftp/transfer.ts';
import { readable } from './tftp-texts.ts';

/** How a transfer ended. `probe`: the client only wanted the options, the size above all. */
export type TransferEnd =
  | { readonly kind: 'finished'; readonly acknowledged: boolean }
  | { readonly kind: 'probe' | 'aborted'; readonly reason: string }
  | { readonly kind: 'stalled' | 'replaced' | 'stopped'; readonly reason: string };

/** The step `stalled`. */
export function endOfSilence(state: Transfer): TransferEnd {
  const waiting = state.negotiating ? 'of the options' : `of block ${state.acknowledged + 1}`;
  return { kind: 'stalled', reason: `no ACK ${waiting}, sent ${state.timeouts} times` };
}

/** What a packet that is no ACK makes of its transfer: undefined if nothing, `nonsense` if it is no answer at all. */
export function endOfPacket(state: Transfer, packet: Uint8Array): TransferEnd | 'nonsense' | undefined {
  // TFTP 7: 0, 1 or 3 bytes, another operation, an ERROR in pieces: nothing that changes the transfer.
  if (packet.length < 4 || packet[0] !== 0 || packet[1] !== 5) return 'nonsense';
  const error = decodeTftpPacket(packet);
  if (error.kind !== 'error') return undefined;
  if (errorEndsWell(state, error.code)) return { kind: 'finished', acknowledged: false };
  const text = `error ${error.code}${error.message === '' ? '' : `: ${readable(error.message)}`}`;
  // TFTP 3: EDK2 asks once for the size, stops at the OACK, and then asks for the file.
  return state.negotiating
    ? {
        kind: 'probe',
        reason: `the client stopped at the options, as firmware asking for the size does (${text})`,
      }
    : { kind: 'aborted', reason: `the client stopped before block ${state.acknowledged + 1} (${text})` };
}
