import type { Mac } from './mac.ts';
import type { Stage } from './stage.ts';

/** What can be recorded of a machine. Dotted: the plane, then the message. */
export const EVENT_KINDS = [
  'dhcp.discover',
  'dhcp.request',
  'dhcp.decline',
  'dhcp.release',
  'dhcp.inform',
  'dhcp.other',
  'pxe.discover',
  'pxe.request',
  'pxe.other',
  'tftp.read',
  'tftp.done',
  'http.boot-script',
  'http.script',
  'http.asset',
  'http.config',
  'http.config-file',
  'http.csr',
  'http.report',
  'node.ready',
  'node.not-ready',
  'node.deleted',
  'node.left',
  'session.opened',
  'session.ended',
  'session.stalled',
  'syslog.line',
  'http.hardware',
  'power.command',
  'catalog.changed',
  'security.alarm',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export const OUTCOMES = ['answered', 'refused', 'ignored', 'failed', 'noted'] as const;
/**
 * answered: it got what it asked for; refused: it got a no (NAK, TFTP error, HTTP 4xx); ignored: silence, on purpose;
 * failed: our own fault (a template that does not render); noted: nobody asked.
 */
export type Outcome = (typeof OUTCOMES)[number];

/** A text, or what makes it: most of a storm's packets are counted and not recorded, and nobody reads what they said. */
export type LazyText = string | (() => string);

export function readText(text: LazyText): string {
  return typeof text === 'string' ? text : text();
}

/** One recorded fact: who, when, what was asked, what was answered, why. Texts are for people and bounded. */
export interface BootEvent {
  /** Milliseconds since the epoch. */
  readonly at: number;
  /** Undefined for what cannot be laid to a machine (a TFTP client whose address nobody knows). */
  readonly mac?: Mac;
  readonly sessionId?: number;
  readonly kind: EventKind;
  /** The stage that this event took its session to, if it took it anywhere. */
  readonly stage?: Stage;
  readonly outcome: Outcome;
  readonly asked: string;
  /** Empty where nothing was sent. */
  readonly answered: string;
  /** Why, in the order in which the decision was made. */
  readonly reasons: readonly string[];
  /** The interface it was heard on. */
  readonly via?: string;
}
