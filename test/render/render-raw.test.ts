import t from 'tap';
import type { TinderboxError } from '../../src/errors.ts';
import type { Role, RoleConfig, TemplateSource } from '../../src/machine/role.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { contextOf, roleOf } from './read-shipped-role.ts';

const source = (file: string, text: string): TemplateSource => ({ file, text, line: 1 });

function rawRole(text: string, more: Partial<RoleConfig> = {}, parameters: Role['parameters'] = {}): Role {
  return { ...roleOf('', parameters), config: { format: 'raw', template: source('raw.hbs', text), ...more } };
}

function failureOf(role: Role, file?: string): TinderboxError {
  try {
    renderConfig(role, contextOf(role), file);
  } catch (thrown) {
    return thrown as TinderboxError;
  }
  throw new Error('it rendered');
}

t.test('a raw text is served as it is, with the media type of its role', async (t) => {
  const role = rawRole(
    'd-i netcfg/get_hostname string {{machine.hostname}}\n',
    {
      files: new Map([
        ['late.sh', source('late.sh.hbs', '#!/bin/sh\ncurl {{reportUrl}}')],
        ['disk.json', source('disk.json.hbs', '{"disk": {{json parameters.disk}} }')],
      ]),
    },
    { disk: '/dev/sda' },
  );
  const context = contextOf(role);
  t.strictSame(renderConfig(role, context), {
    body: 'd-i netcfg/get_hostname string node-123456\n',
    contentType: 'text/plain; charset=utf-8',
  });
  t.match(renderConfig(role, context, 'late.sh').body, /^#!\/bin\/sh\ncurl http:.*\/report\n$/);
  t.strictSame(renderConfig(role, context, 'disk.json'), {
    body: '{"disk": "/dev/sda" }\n',
    contentType: 'application/json',
  });
  const json = rawRole('{}', { contentType: 'application/json' });
  t.equal(renderConfig(json, contextOf(json)).contentType, 'application/json');
  t.equal(failureOf(role, 'other').code, 'not-found');
});

t.test('what is not what its media type says is refused, with its place', async (t) => {
  const table: readonly [string, string | undefined, RegExp][] = [
    [' \n', undefined, /raw\.hbs \(rendered\):1:1: the template rendered to nothing/],
    ['{{#if parameters.none}}x{{/if}}', 'application/json', /rendered to nothing/],
    ['{\n  "a": x\n}', 'application/json', /:2:8: not JSON: a value is wanted here/],
    ['{"a": 1', 'application/vnd.x+json', /:1:8: not JSON: a comma or a closing brace is wanted here/],
    ['{"a": 1, "a": 2}', 'application/json', /:1:10: not JSON: this key is there twice/],
    ['a: b\n c: [\n', 'application/yaml', /:\d+:\d+: not YAML/],
    ['a: 1\n---\nb: "x\n', 'text/x-yaml; charset=utf-8', /:\d+:\d+: not YAML/],
    ['# only a comment\n', 'application/yaml', /the YAML holds nothing/],
  ];
  for (const [text, contentType, expected] of table) {
    const role = rawRole(text, contentType === undefined ? {} : { contentType }, { none: false });
    const error = failureOf(role);
    t.equal(error.code, 'invalid-template', text);
    t.match(error.message, expected, text);
  }
  const fine: readonly [string, string][] = [
    ['machine: {type: worker}\n---\napiVersion: v1alpha1\nkind: X\n', 'application/yaml'],
    ['a: !reference x\n', 'application/yaml'],
    ['not {json', 'text/plain'],
  ];
  for (const [text, contentType] of fine) {
    const role = rawRole(text, { contentType });
    t.equal(renderConfig(role, contextOf(role)).body.trim(), text.trim());
  }
});

t.test('no error quotes a secret of its parameters', async (t) => {
  const parameters = { adminPassword: 'correct-horse-battery' };
  for (const [text, contentType] of [
    ['{"p": {{parameters.adminPassword}} }', 'application/json'],
    ['a: b\n{{parameters.adminPassword}}: [', 'application/yaml'],
    ['"{{parameters.adminPassword}}', 'application/yaml'],
  ] as const) {
    const error = failureOf(rawRole(text, { contentType }, parameters));
    t.notMatch(`${error.message} ${JSON.stringify(error.problems)}`, /correct-horse/, text);
  }
});
