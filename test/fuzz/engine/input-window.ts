/**
 * What a thread is doing, readable from another one: an input that never returns, or takes the thread's memory, can still
 * be named.
 */
export interface InputWindow {
  readonly show: (input: Uint8Array) => void;
  /** It is between inputs, and busy with something of its own. */
  readonly clear: () => void;
}

const COUNTER = 0;
const LENGTH = 1;
const HEADER = 8;

export function createWindowMemory(maxLength: number): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(HEADER + maxLength);
  // A thread that is still being loaded has no input yet.
  openWindow(memory).clear();
  return memory;
}

export function openWindow(memory: SharedArrayBuffer): InputWindow {
  const state = new Int32Array(memory, 0, 2);
  const bytes = new Uint8Array(memory, HEADER);
  const set = (length: number): void => {
    Atomics.store(state, LENGTH, length);
    Atomics.add(state, COUNTER, 1);
  };
  return {
    show(input) {
      bytes.set(input.length > bytes.length ? input.subarray(0, bytes.length) : input);
      set(input.length);
    },
    clear: () => set(-1),
  };
}

/** `count` changes with each input; `input` is absent between inputs. */
export function lookThrough(memory: SharedArrayBuffer): {
  readonly count: number;
  readonly input?: Uint8Array;
} {
  const state = new Int32Array(memory, 0, 2);
  const length = Atomics.load(state, LENGTH);
  const count = Atomics.load(state, COUNTER);
  if (length < 0) return { count };
  return {
    count,
    input: new Uint8Array(memory, HEADER, Math.min(length, memory.byteLength - HEADER)).slice(),
  };
}
