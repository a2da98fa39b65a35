import { STORM_STAGES, type StormStage, stageOf } from './storm-stages.ts';
import type { SimulationResult } from './virtual-client-types.ts';

/** Milliseconds. */
export interface Spread {
  readonly machines: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface StageFigures extends Spread {
  readonly stage: StormStage;
}

export interface FailureGroup {
  /** With what differs from machine to machine taken out. */
  readonly reason: string;
  readonly step: string;
  readonly machines: number;
  /** The first ones. */
  readonly examples: readonly string[];
  readonly remedy?: string;
}

export interface MachineEnd {
  readonly mac: string;
  readonly result: Pick<SimulationResult, 'ok' | 'steps' | 'ms' | 'waitedMs'>;
}

export interface StormFigures {
  readonly booted: number;
  readonly failed: number;
  /** Of those that came through. */
  readonly whole: Spread;
  /** What machines waited because they were told to: in no stage's figures, and a part of the whole. */
  readonly waited: Spread;
  readonly stages: readonly StageFigures[];
  readonly failures: readonly FailureGroup[];
  /** Of everything that was answered. */
  readonly bytes: number;
}

const EXAMPLES = 3;

/** The smallest value that `share` of all values are not above (nearest rank); 0 of none. `sorted` rises. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((left, right) => left - right);
  return {
    machines: sorted.length,
    p50: percentile(sorted, 0.5),
    p90: percentile(sorted, 0.9),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1) ?? 0,
  };
}

/** Machines that have not come to their end are left out. */
export function summarizeStorm(ends: readonly MachineEnd[]): StormFigures {
  const through = ends.filter(({ result }) => result.ok);
  return {
    booted: through.length,
    failed: ends.length - through.length,
    whole: spreadOf(through.map(({ result }) => result.ms)),
    waited: spreadOf(ends.map(({ result }) => result.waitedMs).filter((ms) => ms > 0)),
    stages: STORM_STAGES.map((stage) => ({ stage, ...spreadOf(timesIn(stage, ends)) })),
    failures: groupFailures(ends),
    bytes: ends.reduce((sum, { result }) => sum + result.steps.reduce((all, { bytes }) => all + bytes, 0), 0),
  };
}

/** Of each machine that was in it, all its steps there together, failed ones too. */
function timesIn(stage: StormStage, ends: readonly MachineEnd[]): readonly number[] {
  return ends.flatMap(({ result }) => {
    const steps = result.steps.filter(({ step }) => stageOf(step) === stage);
    const ms = steps.reduce((sum, step) => sum + step.ms - (step.waitedMs ?? 0), 0);
    return steps.length === 0 ? [] : [ms];
  });
}

/** The most frequent first. */
export function groupFailures(ends: readonly MachineEnd[]): readonly FailureGroup[] {
  const groups = new Map<
    string,
    { reason: string; step: string; machines: number; examples: string[]; remedy?: string }
  >();
  for (const { mac, result } of ends) {
    if (result.ok) continue;
    const last = result.steps.findLast(({ ok }) => !ok);
    const [step, reason] = [last?.step ?? 'start', generalize(last?.answered ?? 'it never began')];
    const remedy = last?.remedy === undefined ? {} : { remedy: last.remedy };
    const known = groups.get(`${step} ${reason}`) ?? { reason, step, machines: 0, examples: [], ...remedy };
    known.machines++;
    if (known.examples.length < EXAMPLES) known.examples.push(mac);
    groups.set(`${step} ${reason}`, known);
  }
  return [...groups.values()].toSorted((left, right) => right.machines - left.machines);
}

/** What differs from machine to machine: session URLs, MACs, and how far it had come. */
function generalize(text: string): string {
  return text
    .replaceAll(/\/boot\/[^/\s]+/g, '/boot/…')
    .replaceAll(/\b([0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b/gi, 'MAC')
    .replaceAll(/\?\S+/g, '?…')
    .replaceAll(/\b(\d{1,3}\.){3}\d{1,3}:\d{4,5}\b/g, 'ADDRESS:PORT')
    .replaceAll(/\bafter \d+ (of \d+ )?bytes/g, 'after some bytes');
}
