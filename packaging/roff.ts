/** One line of text for man(7): nothing in it is read as a request or an escape. */
export function roffText(text: string): string {
  const escaped = text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll('`', '\\`');
  return escaped.replace(/^([.'])/, '\\&$1');
}

export const bold = (text: string): string => `\\fB${roffText(text).replace(/^\\&/, '')}\\fR`;

/** `--out <folder>`: flags bold, what stands for a value in italics. */
export function roffUsage(usage: string): string {
  return usage
    .split(/(<[^>]+>)/)
    .map((part) => (part.startsWith('<') ? `\\fI${roffText(part.slice(1, -1))}\\fR` : bold(part)))
    .join('');
}

/** Lines as they are, in a fixed width. */
export function roffVerbatim(text: string): readonly string[] {
  return ['.PP', '.nf', ...text.split('\n').map((line) => roffText(line) || '.sp'), '.fi'];
}

/** A tag and what it means, indented below. */
export function roffItem(tag: string, lines: readonly string[]): readonly string[] {
  return ['.TP', tag, ...lines];
}

/** `code` of Markdown in bold. */
export function roffMarkdown(text: string): string {
  const parts = text.split('`');
  const shown = parts.map((part, index) => (index % 2 === 1 ? bold(part) : roffText(part)));
  return shown.join('').replace(/^(?=[.'])/, '\\&');
}

/** The whole page. The date is that of the sources. */
export function roffPage(
  {
    name,
    section,
    version,
    sourceDate,
  }: {
    readonly name: string;
    readonly section: number;
    readonly version: string;
    readonly sourceDate: number;
  },
  lines: readonly string[],
): string {
  const date = new Date(sourceDate * 1000).toISOString().slice(0, 10);
  const head = `.TH ${name.toUpperCase()} ${section} ${date} "Tinderbox ${version}" Tinderbox`;
  return `${[head, ...lines].filter((line) => line !== '').join('\n')}\n`;
}
