/** White space, then one token, as RFC 8259 has them. */
const TOKEN =
  /[ \t\n\r]*(?:([{}[\]:,])|("(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*")|(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-]))/y;

/**
 * Where a text stops being JSON, as an offset; undefined: it is JSON. The engine's own error quotes what stands around the
 * place, which may be a password, and does not always say where it is.
 */
export function findJsonFault(text: string): number | undefined {
  const open: string[] = [];
  /** What may come: a value, a key, `:`, or what follows a value. `first`: as well the end of what was just opened. */
  let wants: 'value' | 'first' | 'key' | 'firstKey' | 'colon' | 'after' = 'value';
  TOKEN.lastIndex = 0;
  for (;;) {
    const from = TOKEN.lastIndex;
    const found = TOKEN.exec(text);
    if (found === null) {
      const rest = from + (/^[ \t\n\r]*/.exec(text.slice(from))?.[0].length ?? 0);
      return rest === text.length && wants === 'after' && open.length === 0 ? undefined : rest;
    }
    const [all, mark, string] = found;
    const at = from + all.length - all.trimStart().length;
    const control = findControl(string ?? '');
    if (control !== -1) return at + control;
    const closes = mark === '}' || mark === ']';
    if (wants === 'colon') {
      if (mark !== ':') return at;
      wants = 'value';
    } else if (wants === 'key' || (wants === 'firstKey' && !closes)) {
      if (string === undefined) return at;
      wants = 'colon';
    } else if (closes) {
      if (wants === 'value' || open.pop() !== mark) return at;
      wants = 'after';
    } else if (wants === 'after') {
      const last = open.at(-1);
      if (mark !== ',' || last === undefined) return at;
      wants = last === '}' ? 'key' : 'value';
    } else if (mark === '{' || mark === '[') {
      open.push(mark === '{' ? '}' : ']');
      wants = mark === '{' ? 'firstKey' : 'first';
    } else if (mark !== undefined) return at;
    else wants = 'after';
  }
}

/** RFC 8259 has them escaped. */
function findControl(text: string): number {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) < 0x20) return at;
  return -1;
}
