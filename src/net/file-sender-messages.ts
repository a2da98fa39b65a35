import type { SentBytes, TransferOrder } from './port.ts';

/** What a thread is started with; the descriptors stay those of who started it. */
export interface SenderThreadOptions {
  readonly epoll: number;
  readonly waker: number;
}

export type SenderCall =
  | ({ readonly kind: 'send'; readonly id: number } & Omit<TransferOrder, 'alive'>)
  | { readonly kind: 'allow'; readonly id: number; readonly bytes: number }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'end' };

export type SenderAnswer =
  | { readonly kind: 'alive'; readonly transfers: readonly { readonly id: number; readonly bytes: number }[] }
  /** From now on the thread knows nothing of its descriptors. */
  | ({ readonly kind: 'ended'; readonly id: number } & { readonly sent: SentBytes });
