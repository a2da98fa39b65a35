import t from 'tap';
import { formatProblem, type Problem } from '../../src/errors.ts';
import type { Parameters, Role } from '../../src/machine/role.ts';
import { checkRoleTemplates } from '../../src/render/check-templates.ts';
import { roleOf } from './read-shipped-role.ts';

const PARAMETERS: Parameters = { disk: 'auto', keys: [], labels: {}, free: null };

function check(text: string, parameters: Parameters = PARAMETERS): readonly Problem[] {
  return checkRoleTemplates(roleOf(text, parameters));
}

t.test('everything that a machine has may be used', async (t) => {
  const texts = [
    '{{machine.mac}} {{machine.dns.[0]}} {{machine.dns.length}} {{cluster.apiServer}} {{server.url}} {{role}} {{configUrl}}',
    '{{reportUrl}} {{assetsUrl}} {{parameters.disk}} {{this.role}} {{@root.machine.mac}} {{json this}}',
    '{{#each machine.dns as |dns index|}}{{dns}} {{index}} {{@index}} {{@last}} {{../role}} {{this}}{{/each}}',
    '{{#each parameters.keys}}{{anything}} {{this.below}} {{@root.role}} {{@key}}{{else}}{{role}}{{/each}}',
    '{{#each parameters.keys as |key|}}{{#each key.list as |item|}}{{item.x}} {{key.y}} {{../../role}}{{/each}}{{/each}}',
    '{{#with machine as |m|}}{{mac}} {{m.uuid}} {{../role}}{{else}}{{role}}{{/with}}',
    '{{#if parameters.labels.any}}{{parameters.labels.any.thing}}{{else if machine.address}}{{role}}{{/if}}',
    '{{#unless (and parameters.free (eq role "x"))}}{{quote (default parameters.labels.x role)}}{{/unless}}',
    '{{! comment }}{{!-- {{nothing}} --}}\\{{raw}}',
  ];
  for (const text of texts) t.strictSame(check(text).map(formatProblem), [], text);
});

t.test('what no machine has is found with its place and the nearest name', async (t) => {
  const table: readonly [string, number, number, RegExp, RegExp?][] = [
    ['a\n  {{machine.macc}}', 2, 5, /`machine\.macc` is not defined/, /did you mean `mac`\?/],
    ['{{mac}}', 1, 3, /`mac` is not defined/],
    ['{{parametres.disk}}', 1, 3, /`parametres\.disk` is not defined/, /did you mean `parameters`\?/],
    [
      'x {{parameters.dsik}}',
      1,
      5,
      /`parameters\.dsik` is no parameter of this role/,
      /`disk`.*declare `dsik`/,
    ],
    ['{{parameters.zzzzzzzz}}', 1, 3, /is no parameter/, /declare `zzzzzzzz` with a default/],
    ['{{cluster.apiserver}}', 1, 3, /not defined/, /`apiServer`/],
    ['{{machine.mac.vendor}}', 1, 3, /not defined/],
    ['{{#if machine.adress}}{{/if}}', 1, 7, /`machine\.adress`/, /`address`/],
    ['{{quote (default machine.adress "x")}}', 1, 18, /`machine\.adress`/, /`address`/],
    ['{{indent 2 role first=machine.nope}}', 1, 23, /`machine\.nope`/],
    ['{{#each machine.dns}}\n {{role}}{{/each}}', 2, 4, /`role` is not defined/, /@root\.role/],
    ['{{#each machine.dns as |dns|}}{{dns.ip}}{{/each}}', 1, 33, /`dns\.ip`/],
    ['{{#each machine.dns as |dns|}}{{/each}}{{dns}}', 1, 42, /`dns` is not defined/],
    ['{{#with machine}}{{role}}{{/with}}', 1, 20, /`role` is not defined/, /@root\.role/],
    ['{{#with machine}}{{else}}{{mac}}{{/with}}', 1, 28, /`mac` is not defined/],
    ['{{../role}}', 1, 3, /leads out of the template/],
    ['{{@rot.role}}', 1, 3, /there is no `@rot\.role`/, /@root/],
    ['{{parameters.labels.constructor}}', 1, 3, /not defined/],
    ['{{parameters.__proto__}}', 1, 3, /no parameter/],
    ['{{qoute role}}', 1, 3, /there is no helper `qoute`/, /`quote`/],
    ['{{quote (nosuch role)}}', 1, 10, /there is no helper `nosuch`/],
    ['{{8 .}}', 1, 3, /there is no helper `8`/],
    ['{{null "" ""}}', 1, 3, /there is no helper `null`/],
    ['{{quote (undefined)}}', 1, 10, /there is no helper `undefined`/],
    ['{{lookup machine "mac"}}', 1, 3, /there is no helper `lookup`/],
    ['{{#machine.dns}}{{/machine.dns}}', 1, 4, /there is no helper/, /#if machine\.dns.*#each machine\.dns/],
    ['{{quote}}', 1, 3, /`quote` is not called like this/, /\{\{quote text\}\}/],
    ['{{#quote role}}{{/quote}}', 1, 4, /`quote` is not called like this/],
    ['{{each machine.dns}}', 1, 3, /`each` is not called like this/, /#each/],
    ['{{> header}}', 1, 1, /there is no partial `header`/, /profiles\/partials/],
    ['{{> (default role "x")}}', 1, 1, /a partial is not called like this/, /\{\{> name key=value\}\}/],
    ['{{#> layout}}x{{/layout}}', 1, 1, /there are no partial blocks/],
    ['{{#*inline "x"}}y{{/inline}}', 1, 1, /there are no inline partials/],
    ['a\n b {{foo', 2, 6, /the template does not parse/],
    ['{{#if role}}\n  {{/each}}', 1, 4, /if doesn't match each/],
    ['{{#if role}}\nx\n', 3, 1, /ends inside a block/],
  ];
  for (const [text, line, column, message, remedy] of table) {
    const problems = check(text);
    t.equal(problems.length, 1, `${text}: one problem`);
    const [problem] = problems;
    t.match(problem, { severity: 'error', file: 'config.hbs', line, column, message }, text);
    if (remedy !== undefined) t.match(problem?.remedy, remedy, text);
  }
});

t.test('the files beside a configuration are templates of the role as well', async (t) => {
  const role = roleOf('', {});
  const file = { file: 'meta-data.hbs', text: 'instance-id: {{bootId}}\n{{machine.nme}}', line: 1 };
  const template = { file: 'user-data.hbs', text: '#!/bin/sh\n', line: 1 };
  const config = { format: 'nocloud', template, files: new Map([['meta-data', file]]) } as const;
  t.match(checkRoleTemplates({ ...role, config }), [
    { file: 'meta-data.hbs', line: 2, message: /`machine\.nme` is not defined/ },
  ]);
});

t.test('all templates of a role are checked, and all problems found at once', async (t) => {
  const role = roleOf('{{a}}\n{{b}}', {});
  const broken: Role = {
    ...role,
    boot: {
      kind: 'kernel',
      kernel: { file: 'role.yaml', text: '/assets/{{image}}', line: 3, column: 11 },
      initrd: [{ file: 'role.yaml', text: '{{parameters.x}}', line: 4 }],
      cmdline: [
        { file: 'role.yaml', text: 'ok', line: 5 },
        { file: 'role.yaml', text: '{{', line: 6 },
      ],
    },
  };
  t.strictSame(
    checkRoleTemplates(broken).map(({ file, line, column }) => [file, line, column]),
    [
      ['role.yaml', 3, 21],
      ['role.yaml', 4, 3],
      ['role.yaml', 6, 3],
      ['config.hbs', 1, 3],
      ['config.hbs', 2, 3],
    ],
  );
});

function checkWith(text: string, partials: Record<string, string>): readonly string[] {
  return checkRoleTemplates(
    roleOf(
      text,
      PARAMETERS,
      new Map(
        Object.entries(partials).map(([name, body]) => [name, { file: `${name}.hbs`, text: body, line: 1 }]),
      ),
    ),
  ).map(formatProblem);
}

t.test('partials are checked where they are called, with the values that the call gives', async (t) => {
  t.strictSame(checkWith('{{> a x=role}}', { a: '{{x}} {{machine.mac}} {{> b}}', b: '{{x}}{{role}}' }), []);
  t.match(checkWith('{{> a}}', { a: '\n{{x}}' }), [/^a\.hbs:2:3: `x` is not defined/]);
  t.match(checkWith('{{> a x="1"}}', { a: '{{x.y}}' }), [/^a\.hbs:1:3: `x\.y` is not defined/]);
  t.match(checkWith('{{> a x=machine.macc}}', { a: '{{x}}' }), [/^config\.hbs:1:9: `machine\.macc`/]);
  t.match(checkWith('{{> aa}}', { a: '' }), [/no partial `aa`\n.*did you mean `a`/]);
  t.match(checkWith('{{> a}}', { a: '{{> b}}', b: '{{> a}}' }), [/`a` calls itself \(a > b > a\)/]);
  t.match(checkWith('{{> a}}', { a: '{{#if role}}' }), [/^a\.hbs:1:\d+: .*ends inside a block/]);
  t.match(checkWith('{{> a machine}}', { a: '' }), [/a partial is not called like this/]);
});
