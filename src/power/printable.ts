/** What a management controller says, for logs and screens: one line, without what a terminal would act on. */
export function printable(text: string, limit: number): string {
  const line = text.replace(/\p{C}+/gu, ' ').trim();
  return line.length <= limit ? line : `${line.slice(0, limit)}…`;
}
