import t from 'tap';
import { TinderboxError } from '../../src/errors.ts';
import type { Parameters, Partials } from '../../src/machine/role.ts';
import { renderTemplate } from '../../src/render/template-engine.ts';
import { contextOf, roleOf } from './read-shipped-role.ts';

function render(
  text: string,
  parameters: Parameters = {},
  changes = {},
  place = { line: 1, column: 1 },
): string {
  return renderTemplate({ file: 'f.hbs', text, ...place }, contextOf(roleOf(text, parameters), changes));
}

t.test('values are written as they are, without HTML escaping', async (t) => {
  t.equal(render('{{parameters.x}}', { x: `<a href="b">&'` }), `<a href="b">&'`);
  t.equal(render('{{{parameters.x}}}', { x: '<' }), '<');
});

t.test('helpers make texts', async (t) => {
  const table: readonly [string, Parameters, string][] = [
    ['a:\n    {{indent 4 parameters.x}}', { x: 'one\ntwo\n\nthree\n' }, 'a:\n    one\n    two\n\n    three'],
    ['{{indent 2 parameters.x first=true}}', { x: 'one\ntwo' }, '  one\n  two'],
    ['{{base64 parameters.x}}', { x: 'é' }, 'w6k='],
    ['{{json parameters.x}}', { x: { a: [1, 'b', null, true] } }, '{"a":[1,"b",null,true]}'],
    ['{{json parameters.x space=2}}', { x: [1] }, '[\n  1\n]'],
    ['{{quote parameters.x}}', { x: 'a: "b" # c\n\u2028\u0085' }, '"a: \\"b\\" # c\\n\\u2028\\u0085"'],
    ['{{quote parameters.x}}', { x: 7 }, '"7"'],
    [
      '{{unit (concat "A=" parameters.x)}}',
      { x: 'docker://r:5000/a_b@c+d,e' },
      'A=docker://r:5000/a_b@c+d,e',
    ],
    ['{{unit parameters.x}}', { x: 'a "b" \\c 5%' }, '"a \\"b\\" \\\\c 5%%"'],
    ['{{unit parameters.x}}', { x: '' }, '""'],
    ['{{unit parameters.x}}', { x: 50 }, '50'],
    ['{{oneLine parameters.x}}', { x: '4096 "x" %' }, '4096 "x" %'],
    ['{{shell parameters.x}}', { x: `it's $(x)` }, `'it'\\''s $(x)'`],
    ['{{join parameters.x}}', { x: ['a', 1] }, 'a,1'],
    ['{{join parameters.x " "}}', { x: ['a', 'b'] }, 'a b'],
    ['{{concat "https://" parameters.x ":4001"}}', { x: 7 }, 'https://7:4001'],
    ['{{quote (concat parameters.x parameters.x)}}', { x: '"' }, '"\\"\\""'],
    ['{{hostOf parameters.x}}', { x: 'http://10.77.0.1:5000' }, '10.77.0.1'],
    ['{{hostOf parameters.x}}', { x: 'https://u:p@registry.example.org/v2/?x#y' }, 'registry.example.org'],
    ['{{hostOf parameters.x}}', { x: 'r.example.org:5000/mirror/' }, 'r.example.org'],
    ['{{hostOf parameters.x}}', { x: 'http://[fd00::1]:5000/' }, 'fd00::1'],
    ['{{hostOf parameters.x}}', { x: '' }, ''],
    ['{{lines parameters.x}}', { x: ['a', 'b'] }, 'a\nb'],
    ['{{required parameters.x "why"}}', { x: 0 }, '0'],
    ['{{default parameters.x "d"}}', {}, 'd'],
    ['{{default parameters.x "d"}}', { x: '' }, 'd'],
    ['{{default parameters.x "d"}}', { x: false }, 'false'],
    ['{{#if (eq parameters.x "a")}}yes{{else}}no{{/if}}', { x: 'a' }, 'yes'],
    ['{{#if (and parameters.x (not parameters.y))}}yes{{else}}no{{/if}}', { x: [1], y: [] }, 'yes'],
    ['{{#if (or parameters.x parameters.none)}}yes{{else}}no{{/if}}', { x: '' }, 'no'],
    [
      '{{#each parameters.x as |item index|}}{{index}}={{item.n}} {{@root.role}};{{/each}}',
      { x: [{ n: 1 }, { n: 2 }] },
      '0=1 test;1=2 test;',
    ],
    ['{{#each parameters.x}}{{@key}}={{this}};{{else}}none{{/each}}', { x: { a: 1, b: 2 } }, 'a=1;b=2;'],
    ['{{#each parameters.x}}{{else}}none{{/each}}', { x: [] }, 'none'],
    ['{{#with parameters.x as |y|}}{{y.z}}{{../role}}{{/with}}', { x: { z: 1 } }, '1test'],
    ['{{#unless parameters.x}}no{{/unless}}', { x: false }, 'no'],
  ];
  for (const [text, parameters, expected] of table) t.equal(render(text, parameters), expected, text);
});

t.test('a template that asks for what is not there fails with file, line and column', async (t) => {
  const table: readonly [string, Parameters, RegExp][] = [
    ['a\n  {{parameters.x}}', {}, /^f\.hbs:2:5: `x` is not defined$/],
    ['{{machin.mac}}', {}, /^f\.hbs:1:3: `mac` is not defined$/],
    ['\n\n{{indent 2 parameters.x}}', {}, /^f\.hbs:3:\d+: `x` is not defined$/],
    ['{{#each parameters.x}}{{/each}}', {}, /^f\.hbs:1:\d+: `x` is not defined$/],
    ['{{#with parameters.x}}{{/with}}', {}, /`x` is not defined$/],
    ['{{#each parameters.x}}\n{{name}}{{/each}}', { x: [{}] }, /^f\.hbs:2:3: `name` is not defined$/],
    ['{{quote parameters.a.b}}', { a: {} }, /`b` is not defined$/],
    ['{{#if parameters.a.b}}{{/if}}', {}, /`b` is asked of a value that is not there$/],
    ['x {{required parameters.x "say which"}}', { x: '' }, /^f\.hbs:1:3: \{\{required\}\}: say which$/],
    ['{{required parameters.x "say which"}}', {}, /say which$/],
    ['{{quote parameters.x}}', { x: ['a'] }, /it takes a text, not a list/],
    ['{{quote parameters.x}}', { x: { a: 1 } }, /it takes a text, not a map/],
    ['{{quote parameters.x}}', { x: null }, /it takes a text, not null/],
    ['{{join parameters.x}}', { x: 'a' }, /it takes a list, not a string/],
    ['{{indent parameters.x "a"}}', { x: -1 }, /the width is a number/],
    ['{{shell parameters.x}}', { x: 'a\nb' }, /control character/],
    ['{{unit parameters.x}}', { x: 'a\n ExecStartPre=/bin/evil' }, /^f\.hbs:1:1: \{\{unit\}\}: .*line break/],
    ['{{unit parameters.x}}', { x: 'a\u2028b' }, /line break/],
    ['{{unit parameters.x}}', { x: '$HOME' }, /dollar sign/],
    ['{{oneLine parameters.x}}', { x: 'a\rb' }, /line break or another control character/],
    ['{{base64}}', {}, /it is written \{\{base64 text\}\}/],
    ['{{parameters.x}}', { x: { a: 1 } }, /a map was written as text/],
    ['a {{nosuch parameters.x}}', { x: 1 }, /^f\.hbs:1:3: there is no helper `nosuch`$/],
    ['{{lookup parameters "x"}}', { x: 1 }, /there is no helper `lookup`/],
    ['{{log "x"}}', {}, /there is no helper `log`/],
    ['{{#if x}}', {}, /^f\.hbs:1:\d+: the template does not parse: it ends inside a block/],
  ];
  for (const [text, parameters, expected] of table) {
    t.throws(() => render(text, parameters), { code: 'invalid-template', message: expected }, text);
  }
});

t.test('what objects inherit is out of reach', async (t) => {
  for (const text of [
    '{{parameters.constructor}}',
    '{{parameters.__proto__}}',
    '{{machine.mac.constructor.name}}',
    '{{parameters.toString}}',
  ]) {
    let result = '';
    try {
      result = render(text);
    } catch (thrown) {
      t.type(thrown, TinderboxError, text);
    }
    t.equal(result, '', text);
  }
});

t.test('a missing cluster block is given as the reason', async (t) => {
  const context = { ...contextOf(roleOf('')) } as { cluster?: unknown };
  delete context.cluster;
  const source = { file: 'f.hbs', text: 'a: {{cluster.dnsDomain}}', line: 1 };
  t.throws(() => renderTemplate(source, context as never), {
    message: /^f\.hbs:1:6: `dnsDomain` is asked of the cluster, and tinderbox\.yaml has no `cluster:` block$/,
    remedy: /add `cluster:`/,
  });
  t.equal(
    renderTemplate({ file: 'f', text: '{{#if cluster}}yes{{else}}no{{/if}}', line: 1 }, context as never),
    'no',
  );
});

t.test('a template inside another file counts from where it stands', async (t) => {
  t.throws(() => render('/a/{{parameters.x}}', {}, {}, { line: 7, column: 12 }), {
    message: /^f\.hbs:7:17: /,
  });
  t.throws(() => render('a\n{{parameters.x}}', {}, {}, { line: 7, column: 12 }), {
    message: /^f\.hbs:8:3: /,
  });
});

t.test('a helper registered by somebody else does not reach the roles', async (t) => {
  const { default: Handlebars } = await import('handlebars');
  Handlebars.registerHelper('elsewhere', () => 'leaked');
  t.teardown(() => Handlebars.unregisterHelper('elsewhere'));
  t.throws(() => render('{{elsewhere 1}}'), { code: 'invalid-template' });
  t.notOk('quote' in Handlebars.helpers);
});

const partialsOf = (texts: Record<string, string>): Partials =>
  new Map(
    Object.entries(texts).map(([name, text]) => [name, { file: `partials/${name}.hbs`, text, line: 1 }]),
  );

t.test(
  'a partial on a line of its own is moved to its place, line by line, and sees what the template sees',
  async (t) => {
    const role = roleOf(
      '',
      {},
      partialsOf({
        unit: '[Unit]\nDescription={{what}} of {{machine.hostname}}\n{{> tail}}\n',
        tail: '# {{role}}\n',
      }),
    );
    const source = { file: 'f.hbs', text: 'content: |\n  {{> unit what="kubelet"}}\nend: 1\n', line: 1 };
    t.equal(
      renderTemplate(source, contextOf(role), role.partials),
      'content: |\n  [Unit]\n  Description=kubelet of node-123456\n  # test\nend: 1\n',
    );
  },
);

t.test('what fails in a partial is said with its place there', async (t) => {
  const partials = partialsOf({ outer: 'a\n{{> inner}}\n', inner: '\n\n{{cluster.nothing}}' });
  const source = { file: 'f.hbs', text: 'x\n{{> outer}}', line: 1 };
  t.throws(() => renderTemplate(source, contextOf(roleOf('')), partials), {
    code: 'invalid-template',
    message: /^partials\/inner\.hbs:3:\d+: `nothing` is not defined/,
  });
  const argument = { file: 'f.hbs', text: '{{> inner x=parameters.typo}}', line: 1 };
  t.throws(() => renderTemplate(argument, contextOf(roleOf('')), partialsOf({ inner: '{{x}}' })), {
    message: /`typo` is not defined/,
  });
});
