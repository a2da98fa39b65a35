// C0, DEL, C1 and the bidirectional overrides: what a terminal would act on instead of showing. A byte order mark nobody sees.
// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]/g;

/** Text from outside, fit for one line of a log, an event or a terminal: at most `limit` characters. */
export function printable(text: string, limit = 200): string {
  // Half of a pair, as JSON can spell it, is no character; nor is one that the limit would cut in two.
  const clean = text.toWellFormed().replace(UNPRINTABLE, '').trim();
  return clean.length <= limit ? clean : `${clean.slice(0, limit - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
