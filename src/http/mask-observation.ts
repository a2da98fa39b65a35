import { maskSessionTokens } from '../boot/session-token.ts';
import { readText } from '../machine/event.ts';
import type { Journal, Observation } from '../store/port.ts';

/**
 * The journal for the routes: whatever text an observation takes from a client or an error (a posted log, a line of a
 * configuration that does not parse), no session token gets through it to the timeline.
 */
export function maskedJournal(journal: Journal): Journal {
  return { ...journal, record: (observation) => journal.record(masked(observation)) };
}

function masked(observation: Observation): Observation {
  const { asked, answered, reasons } = observation;
  return {
    ...observation,
    asked: maskSessionTokens(readText(asked)),
    answered: maskSessionTokens(readText(answered)),
    reasons: reasons.map(maskSessionTokens),
  };
}
