// C0 and C1 but for the tab, and DEL.
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g;
/** Marks that turn the direction of writing around, a byte order mark, and what was no UTF-8. */
const MARKS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffd]/g;
/** ECMA-48: colours and cursor moves, which programs print without asking who reads. */
// oxlint-disable-next-line no-control-regex
const SEQUENCES = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\-_])/g;

/** What a terminal, a log or a page may show: escape sequences and controls are taken out, tabs are a space. */
export function cleanText(text: string): string {
  return text.replace(SEQUENCES, '').replace(CONTROLS, '').replace(MARKS, '').replaceAll('\t', ' ').trim();
}
