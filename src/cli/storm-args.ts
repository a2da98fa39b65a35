import { type ArrivalPattern, parseArrivals } from '../lab/plan-arrivals.ts';
import type { VirtualMachine } from '../lab/virtual-client-types.ts';
import { architectureByName, FIRMWARE_ARCHITECTURES } from '../machine/architecture.ts';
import { type Mac, parseMac } from '../machine/mac.ts';
import { usageError } from './exit.ts';

/** As commander gives them. */
export interface StormArgs {
  readonly interface: string;
  readonly machines: string | number;
  readonly arrival?: string;
  readonly loss?: string;
  readonly attempts?: string | number;
  readonly arch?: string;
  /** Of the first machine; the others follow. */
  readonly mac?: string;
  readonly timeout?: string | number;
  readonly forget?: boolean;
  readonly json?: boolean;
}

export interface StormPlan {
  readonly machines: readonly VirtualMachine[];
  readonly arrivals: ArrivalPattern;
  /** 0 to 1. */
  readonly loss: number;
  readonly attempts: number;
  /** Milliseconds, of each machine. */
  readonly timeout: number;
}

/** Locally administered, and always the same ones: storm after storm makes no more machines known. */
const FIRST_MAC = '02:74:62:00:00:00';
/** As many as Tinderbox keeps of machines. */
const MOST_MACHINES = 20_000;
const DEFAULT_TIMEOUT = 600;

/** Throws TinderboxError `usage`. */
export function readStormArgs(args: StormArgs): StormPlan {
  const count = Number(args.machines);
  if (!(Number.isInteger(count) && count >= 1 && count <= MOST_MACHINES)) {
    throw usageError(
      `${args.machines} is no number of machines`,
      `give a whole number, from 1 to ${MOST_MACHINES}`,
    );
  }
  const arrivals = parseArrivals(args.arrival ?? 'all-at-once');
  if (arrivals === undefined) {
    throw usageError(
      `${args.arrival} is no way to arrive`,
      'use all-at-once, 50/s, poisson:50/s, over:60s or rolling:500',
    );
  }
  const seconds = Number(args.timeout ?? DEFAULT_TIMEOUT);
  if (!(seconds > 0 && seconds <= 86_400)) {
    throw usageError(`${args.timeout} is no time-out`, 'give whole seconds, from 1 to 86400');
  }
  const attempts = Number(args.attempts ?? 1);
  if (!(Number.isInteger(attempts) && attempts >= 1)) {
    throw usageError(`${args.attempts} is no number of attempts`, 'give a whole number from 1');
  }
  return {
    attempts,
    machines: listMachines(args, count),
    arrivals,
    loss: readShare(args.loss ?? '0'),
    timeout: seconds * 1000,
  };
}

function readShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text);
  const share = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
  if (share >= 0 && share < 1) return share;
  throw usageError(`${text} is no share of packets`, 'write it as 1% or 0.01');
}

function listMachines({ arch = 'uefi-x64', mac = FIRST_MAC }: StormArgs, count: number): VirtualMachine[] {
  const architecture = architectureByName(arch);
  if (architecture === undefined) {
    const known = [...new Set(FIRMWARE_ARCHITECTURES.map((one) => one.name))].join(', ');
    throw usageError(`no architecture is named ${arch}`, `use one of ${known}`);
  }
  const first = parseMac(mac);
  if (first === undefined) throw usageError(`${mac} is no MAC`, 'write it as 52:54:00:12:34:56');
  const start = Number.parseInt(first.replaceAll(':', ''), 16);
  if (start + count > 2 ** 48) throw usageError(`${mac} has not ${count} MACs after it`);
  return Array.from({ length: count }, (_, index) => {
    const digits = (start + index).toString(16).padStart(12, '0');
    return {
      mac: parseMac(digits) as Mac,
      uuid: `74696e64-6572-4000-8000-${digits}`,
      architecture,
      serial: `SIM-${digits.slice(-6)}`,
      manufacturer: 'Tinderbox',
      product: 'simulated machine',
    };
  });
}
