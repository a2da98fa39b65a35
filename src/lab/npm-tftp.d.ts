/** What is used of `tftp` 0.1.2 (2015), which has no types of its own. */
declare module 'tftp' {
  import type { Readable } from 'node:stream';

  export interface GetStream extends Readable {
    on(
      event: 'stats',
      listener: (stats: { readonly blockSize: number; readonly windowSize: number }) => void,
    ): this;
    on(event: 'abort' | 'end', listener: () => void): this;
    on(event: 'error', listener: (error: Error) => void): this;
    on(event: 'data', listener: (chunk: Buffer) => void): this;
    /** Not public. */
    readonly _reader: { _windowsSize?: number };
  }

  export interface Client {
    createGetStream(remote: string): GetStream;
  }

  export function createClient(options: {
    readonly host: string;
    readonly port: number;
    readonly retries?: number;
    readonly windowSize?: number;
    readonly blockSize?: number;
    /** Milliseconds between retries; sent as the option `timeout`, whose unit is the second. */
    readonly timeout?: number;
  }): Client;
}
