import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TinderboxError } from '../../../src/errors.ts';
import type { Role } from '../../../src/machine/role.ts';
import { checkRoleTemplates } from '../../../src/render/check-templates.ts';
import { parseTemplate, renderTemplate } from '../../../src/render/template-engine.ts';
import { HELPERS } from '../../../src/render/template-helpers.ts';
import { contextOf, roleOf } from '../../render/read-shipped-role.ts';
import { ROOT } from '../corpus-files.ts';
import { bytesOf, TEXT_MUTATORS, textOf } from '../engine/mutate-text.ts';
import type { Random } from '../engine/random.ts';
import { type FuzzTarget, hold, type Mutator } from '../engine/target.ts';

const SCISSORS = '\n--8<--\n';
const partial = (name: string): string =>
  readFileSync(join(ROOT, 'profiles/partials', name), 'utf8').slice(0, 1_900);

const PATHS = [
  'machine.mac',
  'machine.serial',
  'machine.labels.rack',
  'machine.labels',
  'parameters.list',
  'parameters.map',
  'parameters.text',
  'parameters.typo',
  'cluster.name',
  'cluster.controllers',
  'identity.certificates',
  'role',
  'this',
  '.',
  '../role',
  '@index',
  '@root.role',
  '@key',
  '@first',
  'machine.constructor',
  'machine.__proto__',
  'parameters.list.0',
  'parameters.list.length',
  '"text"',
  '5',
  'true',
  'null',
  'undefined',
  '[a b]',
];
const NAMES = [...Object.keys(HELPERS), 'lookup', 'log', 'helperMissing', 'blockHelperMissing', 'nothing'];

function expression(random: Random, depth = 0): string {
  if (depth > 2 || random.oneIn(2)) return random.pick(PATHS);
  const values = Array.from({ length: random.below(3) }, () => expression(random, depth + 1));
  return `(${[random.pick(NAMES), ...values].join(' ')})`;
}

function statement(random: Random): string {
  const values = Array.from({ length: random.below(3) }, () => expression(random)).join(' ');
  const name = random.pick(NAMES);
  return random.pick([
    `{{${random.pick(PATHS)}}}`,
    `{{${name} ${values}}}`,
    `{{{${name} ${values}}}}`,
    `{{~${name} ${values}~}}`,
    `{{#${name} ${values}}}x{{else}}y{{/${name}}}`,
    `{{#each ${expression(random)} as |a b|}}{{a}}{{b}}{{/each}}`,
    `{{#with ${expression(random)} as |c|}}{{c}}{{/with}}`,
    `{{#if ${expression(random)}}}x{{else if ${expression(random)}}}y{{/if}}`,
    `{{> p ${random.oneIn(2) ? 'a=role' : expression(random)}}}`,
    `{{> ${expression(random)}}}`,
    `{{#> p}}x{{/p}}`,
    `{{#*inline "p"}}x{{/inline}}`,
    `{{indent ${random.below(80)} ${expression(random)} first=true}}`,
    `{{!-- ${values} --}}`,
    `\\{{${values}}}`,
  ]);
}

const insert: Mutator = (input, random) => {
  const text = textOf(input);
  const at = random.below(text.length + 1);
  return bytesOf(text.slice(0, at) + statement(random) + text.slice(at));
};
const replace: Mutator = (input, random) => {
  const found = [...textOf(input).matchAll(/\{\{[^{}]*\}\}/g)];
  if (found.length === 0) return insert(input, random, input);
  const { index, 0: old } = random.pick(found);
  const text = textOf(input);
  return bytesOf(text.slice(0, index) + statement(random) + text.slice(index + old.length));
};

/** The main template, and behind the scissors the partial `p`. */
export const target: FuzzTarget = {
  what: 'the text of a template and of its partial: what is checked when a role is loaded renders, or says where not',
  aims: ['render/template-', 'render/check-templates.ts', 'render/suggest-name.ts'],
  maxLength: 2_000,
  seeds: () =>
    [
      'a {{machine.mac}} {{#each parameters.list}}{{this}}{{/each}}{{> p}}\n--8<--\n{{role}}',
      '{{#if parameters.map}}{{json parameters.map space=2}}{{else}}{{required parameters.text "why"}}{{/if}}',
      '{{shell machine.serial}} {{unit "a b"}} {{quote "x"}} {{join parameters.list ", "}} {{hostOf "http://a:5/x"}}',
      partial('kubelet-unit.yaml.hbs'),
      partial('proxy-file.yaml.hbs'),
      partial('users.yaml.hbs'),
    ].map(bytesOf),
  mutators: [insert, insert, replace, replace, ...TEXT_MUTATORS],
  dictionary: [
    '{{',
    '}}',
    '{{{',
    '}}}',
    '{{#',
    '{{/',
    '{{^',
    '{{else}}',
    '{{~',
    '~}}',
    '{{!--',
    '--}}',
    '{{> p}}',
    '../',
    '@',
    '|',
    'as |x|',
    '(',
    ')',
    '=',
    SCISSORS,
    ...NAMES,
    ...PATHS,
  ],
  run(input) {
    const [main = '', other = ''] = textOf(input).split(SCISSORS, 2);
    const partials = new Map([['p', { file: 'partials/p.hbs', text: other, line: 1 }]]);
    const role: Role = roleOf(
      main,
      { list: ['a', 'b'], map: { a: 1, b: { c: [] } }, text: "it's", empty: '' },
      partials,
    );
    const template = role.config?.template;
    if (template === undefined) return;
    const flaws = checkRoleTemplates(role);
    for (const { message, file, line = 1, column = 1 } of flaws) {
      hold(message !== '' && message.length < 6_000, () => `a problem in ${message.length} characters`);
      const source = file === 'partials/p.hbs' ? other : main;
      hold(
        line >= 1 && line <= source.split(/\r\n?|\n/).length && column >= 1,
        () => `${file}:${line}:${column}: ${message}`,
      );
    }
    if (flaws.length > 0) return;
    parseTemplate(template);
    try {
      const text = renderTemplate(template, contextOf(role), partials);
      hold(
        text.length <= 60 * (main.length + 1) * (other.length + 1) + 2_000_000,
        'it grew beyond what its text says',
      );
    } catch (error) {
      if (!(error instanceof TinderboxError && error.code === 'invalid-template')) throw error;
      hold(error.problems.length > 0 && error.message.length < 6_000, 'a refusal without a place');
    }
  },
};
