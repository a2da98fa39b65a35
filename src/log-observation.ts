import { maskSessionTokens } from './boot/session-token.ts';
import type { LoggerName } from './logger.ts';
import { readText } from './machine/event.ts';
import type { Observation } from './store/port.ts';

/** Characters of one text: what a machine sends may be long. */
const TEXT_LENGTH = 512;
const REASONS = 8;

export interface ObservationLine {
  readonly part: LoggerName;
  readonly details: Readonly<Record<string, unknown>>;
  readonly text: string;
}

/** What was asked, what was answered and why, as one line of the log. Tokens of sessions are masked. */
export function lineOf(observation: Observation): ObservationLine {
  const { kind, outcome, reasons, via } = observation;
  const [asked, answered] = [readText(observation.asked), readText(observation.answered)];
  const mac = observation.mac ?? observation.facts?.mac;
  const why = reasons.slice(0, REASONS).map(printable).join('; ');
  const said = answered === '' ? outcome : `${outcome}: ${printable(answered)}`;
  return {
    part: partOf(kind),
    details: {
      ...(mac === undefined ? {} : { mac }),
      kind,
      outcome,
      ...(via === undefined ? {} : { interface: via }),
    },
    text: `${printable(asked)} -> ${said}${why === '' ? '' : ` (${why})`}`,
  };
}

function printable(text: string): string {
  // Masked first: half a token would not be known for one.
  const masked = maskSessionTokens(text);
  return masked.length <= TEXT_LENGTH ? masked : `${masked.slice(0, TEXT_LENGTH).toWellFormed()}…`;
}

/** Whose level decides whether an observation is worth a line. */
function partOf(kind: Observation['kind']): LoggerName {
  const [plane] = kind.split('.');
  switch (plane) {
    case 'dhcp':
    case 'pxe':
    case 'tftp':
    case 'http':
    case 'catalog':
      return plane;
    case 'node':
      return 'cluster';
    case 'security':
      return 'http';
    default:
      return 'store';
  }
}
