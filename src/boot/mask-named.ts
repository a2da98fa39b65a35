import { isHarmless, isOpenName, isSecretName } from './secret-names.ts';

/** `password: …`, `"token": …`, `Environment=DB_PASSWORD=…` at the begin of a line: all that follows. */
const AT_LINE_BEGIN =
  /^([ \t]*(?:# ?)?(?:- )?(?:export |Environment=)?["']?([A-Za-z][\w.-]{0,99})["']?[ \t]*[:=][ \t]*)(\S.*)$/gm;
/** The same within a map on one line, where a value may have spaces: `{ user: joe, password: correct horse }`. */
const IN_MAP = /([{,][ \t]{0,9}["']?([A-Za-z][\w.-]{0,99})["']?:[ \t]{1,9})([^,{}[\]\s][^,{}\n]*)/g;
/** Anywhere: kernel arguments and flags (`name=`), JSON (`"name":`), headers (`'name: `). The value comes behind it. */
const NAME =
  /(?<![\w.-])(?:(?:--?)?([A-Za-z][\w.-]{0,99})[ \t]{0,3}=[ \t]{0,3}|"([A-Za-z][\w.-]{0,99})"[ \t]{0,3}:[ \t]{0,3}|(?<=["'])([A-Za-z][\w.-]{0,99}):[ \t]{1,3})/g;
/** `--token VALUE`. */
const FLAG = /(?<!\S)--?([A-Za-z][\w-]{1,99})[ \t]{1,3}(?![:=])/g;
const VALUE = /"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^\s"',;&|{}[\]()]+/y;
/** What a shell or a template puts in, another flag, a file. */
const REFERENCE = /^["']?(?:\$[({\w@]|\{\{|-|\.{0,2}\/[\w.-]+\/)/;

/** Masks what stands behind, or below, a name that is a secret's. Lines keep their numbers. */
export function maskNamed(text: string, mask: string): string {
  const lines = maskBelow(text, mask)
    .replace(AT_LINE_BEGIN, (line: string, before: string, name: string, value: string) =>
      isSecretName(name) && !isHarmless(value) ? `${before}${mask}` : line,
    )
    .replace(IN_MAP, (part: string, before: string, name: string, value: string) =>
      isSecretName(name) && !isHarmless(value.trim()) ? `${before}${mask} ` : part,
    );
  return maskBehind(maskBehind(lines, NAME, mask), FLAG, mask);
}

function maskBehind(text: string, names: RegExp, mask: string): string {
  let done = '';
  let at = 0;
  for (const { 0: found, 1: bare, 2: quoted, 3: header, index } of text.matchAll(names)) {
    const begin = index + found.length;
    if (begin < at || !isSecretName(bare ?? quoted ?? header ?? '')) continue;
    VALUE.lastIndex = begin;
    const [value = ''] = VALUE.exec(text) ?? [];
    if (value === '' || value === mask || isHarmless(value) || REFERENCE.test(value)) continue;
    done += `${text.slice(at, begin)}${mask}`;
    at = begin + value.length;
  }
  return done + text.slice(at);
}

const KEY = /^([ \t]*(?:- +)*)(?:["']?([A-Za-z][\w.-]{0,99})["']?[ \t]*:(?=[ \t]|$)[ \t]*)?(.*)$/;
/** The value is on the lines below: a block, a list, a map. */
const BELOW = /^(?:[|>][-+\d]{0,2}|[[{])?[ \t]*(?:#.*)?$/;

/** What is below names that are a secret's, but not below those in it that may be known. */
function maskBelow(text: string, mask: string): string {
  let secret: number | undefined;
  let open: number | undefined;
  return text
    .split('\n')
    .map((line) => {
      const indent = line.search(/\S/);
      if (indent === -1) return line;
      const [, before = '', name = '', value = ''] = KEY.exec(line) ?? [];
      if (!isWithin(line, indent, open)) open = undefined;
      if (!isWithin(line, indent, secret)) secret = undefined;
      const isBegin = BELOW.test(value) && !value.startsWith('#');
      if (secret === undefined) {
        if (isBegin && isSecretName(name)) secret = before.length;
        return line;
      }
      if (open !== undefined) return line;
      if (name !== '' && isOpenName(name)) {
        if (isBegin) open = before.length;
        return line;
      }
      return isBegin || isShown(line, mask) ? line : `${line.slice(0, line.length - value.length)}${mask}`;
    })
    .join('\n');
}

/** Brackets alone, what a template puts in, the frame of a key that is masked already. */
function isShown(line: string, mask: string): boolean {
  return line.includes('{{') || line.includes(mask) || /^[\s[\]{},]*$|-----(?:BEGIN|END) /.test(line);
}

/** YAML lets a list stand right below its name. */
function isWithin(line: string, indent: number, margin: number | undefined): boolean {
  return margin !== undefined && (indent > margin || (indent === margin && /^\s*- /.test(line)));
}
