/** What would act on a terminal, hide in a line or turn its direction: nothing that a name or a product needs. */
// oxlint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** A text from the network for a cell of the page: one line, bounded. What is cut off is shown to be. Not yet escaped. */
export function plainText(text: string, most = 64): string {
  // Bounded first: a syslog line may be long, and everything after this looks at each character.
  const seen = text.slice(0, most * 4).replace(UNSEEN, '');
  const characters = Array.from(seen);
  const isWhole = characters.length <= most && text.length <= most * 4;
  return isWhole ? seen : `${characters.slice(0, most - 1).join('')}…`;
}
