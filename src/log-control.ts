import type { LogChange, LogView } from './admin/api.ts';
import { TinderboxError } from './errors.ts';
import { lineOf } from './log-observation.ts';
import { LOGGER_NAMES, type LoggerName, type Loggers } from './logger.ts';
import type { Mac } from './machine/mac.ts';
import { createBucket } from './store/journal-limits.ts';
import type { Observation } from './store/port.ts';

/** What is logged, changed while the daemon runs. Every change ends by itself. */
export interface LogControl extends Disposable {
  view(): LogView;
  /** Throws TinderboxError `busy` where too many machines are traced already. */
  change(change: LogChange): LogView;
  /** Every observation of the journal, also those that bounds forbid to record. Never throws. */
  notice(observation: Observation): void;
}

/** Machines traced at one time. */
const TRACES = 16;
/** Lines at once, and a minute from then on: of one traced machine; of all parts at level debug. */
const TRACE_LINES = [200, 600] as const;
const DEBUG_LINES = [500, 3_000] as const;

interface Ending {
  readonly until: number;
  readonly timer: NodeJS.Timeout;
}

interface Trace extends Ending {
  readonly mayLog: (at: number) => boolean;
  held: number;
}

/** `now`: milliseconds since the epoch. The levels that the loggers have now are those that it goes back to. */
export function createLogControl(loggers: Loggers, now: () => number): LogControl {
  // The trace has one of its own: what was asked for is seen whatever the level.
  const parts = LOGGER_NAMES.filter((name) => name !== 'trace');
  const start = loggers.daemon.level;
  const changed = new Map<LoggerName, Ending>();
  const traces = new Map<Mac, Trace>();
  const mayDebug = createBucket(...DEBUG_LINES);
  let debugHeld = 0;

  function endAfter(seconds: number, end: () => void): Ending {
    const timer = setTimeout(end, seconds * 1000);
    timer.unref();
    return { until: now() + seconds * 1000, timer };
  }

  function resetPart(part: LoggerName): void {
    clearTimeout(changed.get(part)?.timer);
    if (!changed.delete(part)) return;
    loggers[part].level = start;
  }

  function endTrace(mac: Mac): void {
    clearTimeout(traces.get(mac)?.timer);
    if (traces.delete(mac)) loggers.trace.info({ mac }, `the trace of ${mac} ends`);
  }

  function setLevel(level: string, only: LoggerName | undefined, seconds: number): void {
    for (const part of only === undefined ? parts : [only]) {
      resetPart(part);
      if (level === start) continue;
      loggers[part].level = level;
      changed.set(
        part,
        endAfter(seconds, () => resetPart(part)),
      );
    }
    const which = only === undefined ? 'all parts log' : `${only} logs`;
    loggers.daemon.info(`${which} from level ${level}${level === start ? '' : ` for ${seconds} s`}`);
  }

  function startTrace(mac: Mac, seconds: number): void {
    if (!traces.has(mac) && traces.size >= TRACES) {
      throw new TinderboxError('busy', `${TRACES} machines are traced already`, {
        remedy: 'End them with `tinderbox log --reset`, or wait.',
      });
    }
    clearTimeout(traces.get(mac)?.timer);
    const ending = endAfter(seconds, () => endTrace(mac));
    traces.set(mac, { ...ending, mayLog: createBucket(...TRACE_LINES), held: 0 });
    loggers.trace.info({ mac }, `${mac} is traced for ${seconds} s`);
  }

  function reset(): void {
    for (const part of changed.keys()) resetPart(part);
    for (const mac of traces.keys()) endTrace(mac);
  }

  function traceLine(trace: Trace, observation: Observation): void {
    if (!trace.mayLog(observation.at)) {
      trace.held++;
      return;
    }
    const { details, text } = lineOf(observation);
    loggers.trace.info({ ...details, ...(trace.held > 0 && { held: trace.held }) }, text);
    trace.held = 0;
  }

  function debugLine(observation: Observation): void {
    const { part, details, text } = lineOf(observation);
    if (!loggers[part].isLevelEnabled('debug')) return;
    if (!mayDebug(observation.at)) {
      debugHeld++;
      return;
    }
    loggers[part].debug({ ...details, ...(debugHeld > 0 && { held: debugHeld }) }, text);
    debugHeld = 0;
  }

  function view(): LogView {
    return {
      level: start,
      parts: parts.map((part) => {
        const until = changed.get(part)?.until;
        return { part, level: loggers[part].level, ...(until === undefined ? {} : { until }) };
      }),
      traces: Array.from(traces, ([mac, { until }]) => ({ mac, until })),
    };
  }

  return {
    view,
    change(change) {
      if (change.reset === true) reset();
      if (change.trace !== undefined) startTrace(change.trace, change.seconds);
      if (change.level !== undefined) setLevel(change.level, change.part, change.seconds);
      return view();
    },
    notice(observation) {
      const mac = observation.mac ?? observation.facts?.mac;
      const trace = mac === undefined ? undefined : traces.get(mac);
      if (trace !== undefined) traceLine(trace, observation);
      // So much the cheaper where nobody asks: this is called with each packet.
      if (changed.size > 0 || start === 'debug' || start === 'trace') debugLine(observation);
    },
    [Symbol.dispose]() {
      for (const { timer } of [...changed.values(), ...traces.values()]) clearTimeout(timer);
    },
  };
}
