import { generateKeyPair, type KeyObject } from 'node:crypto';
import { createTurns } from './take-turns.ts';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface KeyMaker {
  /** A pair on the curve, or an RSA pair of so many bits. Throws TinderboxError `busy` when too many wait already. */
  make(kind: KeyKind): Promise<KeyPair>;
}

/** Bits: RSA. */
export type KeyKind = typeof CURVE | number;

/** Made in 0.05 ms, where an RSA key of 2048 bits takes a hundred; every Kubernetes, etcd and curl knows it (ADR 0053). */
export const CURVE = 'P-256';

export interface KeyMakerOptions {
  /** Pairs of 2048 bits that lie ready, from the first time that one was asked for. */
  readonly reserve?: number;
  readonly generate?: (bits: number) => Promise<KeyPair>;
}

export const LEAF_BITS = 2048;
const MAX_WAITING = 500;

/**
 * Makes RSA keys one after the other on libuv's thread pool. One, since the pool has four threads and TFTP and HTTP read
 * files with them: four keys at a time would hold up every boot for as long as they take.
 */
export function createKeyMaker({ reserve = 4, generate = generateRsa }: KeyMakerOptions = {}): KeyMaker {
  const turns = createTurns({ what: 'keys', maxWaiting: MAX_WAITING });
  const ready: KeyPair[] = [];
  let refilling = false;

  /** Behind those who wait. */
  async function refill(): Promise<void> {
    if (refilling) return;
    refilling = true;
    try {
      while (ready.length < reserve && turns.waiting === 0) {
        ready.push(await turns.run(() => generate(LEAF_BITS)));
      }
    } catch {
      // Who needs one asks for it, and is told.
    } finally {
      refilling = false;
    }
  }

  return {
    async make(bits) {
      if (bits === CURVE) return generateOnCurve();
      const prepared = bits === LEAF_BITS ? ready.shift() : undefined;
      const pair = prepared ?? (await turns.run(() => generate(bits)));
      if (bits === LEAF_BITS) void refill();
      return pair;
    },
  };
}

function generateOnCurve(): Promise<KeyPair> {
  return new Promise((resolve, reject) => {
    generateKeyPair('ec', { namedCurve: CURVE }, (error, publicKey, privateKey) =>
      error === null ? resolve({ publicKey, privateKey }) : reject(error),
    );
  });
}

function generateRsa(bits: number): Promise<KeyPair> {
  return new Promise((resolve, reject) => {
    generateKeyPair(
      'rsa',
      { modulusLength: bits, publicExponent: 0x10001 },
      (error, publicKey, privateKey) => (error === null ? resolve({ publicKey, privateKey }) : reject(error)),
    );
  });
}
