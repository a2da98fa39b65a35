import type { TinderboxError } from '../errors.ts';
import type { TemplateSource } from '../machine/role.ts';
import { templateError, templateProblem } from './template-engine.ts';

/**
 * iPXE splits a line at white space, takes `||`, `&&` and `;` that stand alone for operators, a word that begins with
 * `#` for the start of a comment, and expands `${…}` in every word (`core/exec.c`). There is no quoting.
 */

/** For `echo`: one line, printable, without anything that iPXE would take for more than text. */
export function echoText(text: string): string {
  return text
    .replace(/[^\x20-\x7e]+/g, ' ')
    .replaceAll('${', '$(')
    .split(' ')
    .filter((word) => word !== '')
    .map((word) =>
      word === '||' || word === '&&' || word === ';' ? word.slice(1) || ',' : word.replace(/^#+/, 'No.'),
    )
    .join(' ');
}

/** What a role's boot template came to, checked so that no value in it becomes a command of its own. */
export function scriptWords(source: TemplateSource, rendered: string): readonly string[] {
  const refuse = (what: string, remedy: string): TinderboxError =>
    templateError(templateProblem(source, undefined, `${what}: ${JSON.stringify(rendered)}`, remedy));
  if (/\p{Cc}/u.test(rendered)) {
    throw refuse(
      'a piece of the boot script holds a control character',
      'a parameter holds a line break or a tab',
    );
  }
  if (/[^\x20-\x7e]/.test(rendered)) {
    throw refuse('a piece of the boot script holds a character outside ASCII', 'iPXE has no encoding for it');
  }
  const words = rendered.split(' ').filter((word) => word !== '');
  if (words.some((word) => word === '||' || word === '&&' || word === ';' || word.startsWith('#'))) {
    throw refuse(
      'iPXE would take a piece of the boot script for an operator',
      'no word may be || && ; or begin with #',
    );
  }
  // A role may ask for one of iPXE's settings; a value of a parameter or of the machine may not.
  if (countExpansions(rendered) > countExpansions(source.text)) {
    throw refuse('a value in the boot script would be expanded by iPXE', 'remove the ${ from it');
  }
  return words;
}

function countExpansions(text: string): number {
  return text.split('${').length - 1;
}
