import t from 'tap';
import { parse } from 'yaml';
import type { TinderboxError } from '../../src/errors.ts';
import type { Role, TemplateSource } from '../../src/machine/role.ts';
import { renderConfig, renderConfigFiles } from '../../src/render/render-config.ts';
import { contextOf, roleOf } from './read-shipped-role.ts';

const source = (file: string, text: string): TemplateSource => ({ file, text, line: 1 });

function nocloudRole(
  userData: string,
  files: Readonly<Record<string, string>> = {},
  parameters: Role['parameters'] = {},
): Role {
  const read = new Map(Object.entries(files).map(([name, text]) => [name, source(`${name}.hbs`, text)]));
  return {
    ...roleOf('', parameters),
    config: { format: 'nocloud', template: source('user-data.hbs', userData), files: read },
  };
}

function failureOf(role: Role, file?: string): TinderboxError {
  try {
    renderConfig(role, contextOf(role), file);
  } catch (thrown) {
    return thrown as TinderboxError;
  }
  throw new Error('it rendered');
}

const USER_DATA = '#cloud-config\nhostname: {{machine.hostname}}\n';

t.test('user-data is served as it is, and what a role does not give has a default', async (t) => {
  const role = nocloudRole(USER_DATA);
  const context = contextOf(role);
  t.strictSame(renderConfig(role, context), {
    body: '#cloud-config\nhostname: node-123456\n',
    contentType: 'text/cloud-config; charset=utf-8',
  });
  const metaData = renderConfig(role, context, 'meta-data');
  t.strictSame(parse(metaData.body), { 'instance-id': 'i-525400123456-1', 'local-hostname': 'node-123456' });
  t.equal(renderConfig(role, context, 'vendor-data').body, '', 'cloud-init takes an empty one for none');
  t.equal(renderConfig(role, context, 'network-config').body, '');
  t.strictSame(
    renderConfigFiles(role, context).map(({ path }) => path),
    ['nocloud/meta-data'],
    'what people are shown is what says something',
  );
  t.equal(failureOf(role, 'user-data').code, 'not-found');
  t.equal(failureOf(role, '../etc/passwd').code, 'not-found');
});

t.test('a role gives the files itself, and may leave vendor-data and network-config empty', async (t) => {
  const role = nocloudRole(
    '#!/bin/sh\necho hello\n',
    {
      'meta-data': 'instance-id: {{machine.uuid}}\n',
      'vendor-data': '{{#if parameters.vendor}}#cloud-config\npackages: [vim]\n{{/if}}',
      'network-config':
        'version: 2\nethernets:\n  all: {match: {macaddress: "{{machine.mac}}"}, dhcp4: true}\n',
    },
    { vendor: false },
  );
  const context = contextOf(role);
  t.equal(renderConfig(role, context).contentType, 'text/plain; charset=utf-8');
  t.match(renderConfig(role, context, 'meta-data').body, /^instance-id: 0b2c7ed1-/);
  t.equal(renderConfig(role, context, 'vendor-data').body, '');
  t.match(renderConfig(role, context, 'network-config').body, 'macaddress: "52:54:00:12:34:56"');
  t.equal(renderConfigFiles(role, context).length, 3);
  const given = nocloudRole('#!/bin/sh\n', { 'vendor-data': '#cloud-config\npackages: [vim]\n' });
  t.match(renderConfig(given, contextOf(given), 'vendor-data').body, 'packages');
});

t.test('the files beside user-data are checked, each by its own rules', async (t) => {
  const table: readonly [string, string, RegExp][] = [
    ['meta-data', '', /meta-data is a YAML map/],
    ['meta-data', '- a\n', /meta-data is a YAML map/],
    ['meta-data', 'local-hostname: a\n', /meta-data has no `instance-id`; write instance-id: \{\{bootId\}\}/],
    ['meta-data', 'instance-id: ""\n', /meta-data\.hbs \(rendered\):1:1: meta-data has no `instance-id`/],
    ['meta-data', 'instance-id: a\nlocal-hostname: 12\n', /:2:1: `local-hostname` must be text/],
    ['meta-data', 'instance-id: a\ninstance-id: b\n', /not YAML/],
    ['vendor-data', 'hello\n', /cloud-init would not know what this is/],
    [
      'vendor-data',
      '#cloud-config\npackges: []\n',
      /:2:1: cloud-init knows no key `packges`; did you mean `packages`/,
    ],
    ['network-config', 'hello\n', /network-config is a YAML map/],
    ['network-config', 'ethernets: {}\n', /wants `version: 1` or `version: 2`/],
    ['network-config', 'version: 3\nethernets: {}\n', /:1:1: network-config wants `version: 1` or/],
    ['network-config', 'version: "2"\nethernets: {}\n', /network-config wants `version: 1` or/],
    ['network-config', 'network:\n  version: 2\n', /leave out `network:`/],
    ['network-config', 'version: 2\n', /has none of ethernets/],
    ['network-config', 'version: 2\nethernets: []\n', /:2:1: `ethernets` must be a map/],
    ['network-config', 'version: 1\n', /wants a list `config`/],
    ['network-config', 'version: 1\nconfig: [{name: eth0}]\n', /an entry of `config` has no `type`/],
    ['network-config', 'version: 2\nethernets: {a: [}\n', /not YAML/],
  ];
  for (const [file, text, expected] of table) {
    const error = failureOf(nocloudRole(USER_DATA, { [file]: text }), file);
    t.equal(error.code, 'invalid-template', text);
    t.match(error.message, expected, text);
  }
  for (const text of ['version: 1\nconfig: [{type: physical, name: eth0}]\n', 'config: disabled\n']) {
    const role = nocloudRole(USER_DATA, { 'network-config': text });
    t.equal(renderConfig(role, contextOf(role), 'network-config').body, text);
  }
});

t.test('a rack is judged once, and a machine that differs in more than its names anew', async (t) => {
  const role = nocloudRole('#cloud-config\nhostname: {{machine.hostname}}\nfqdn: {{machine.serial}}\n');
  const as = (id: string, serial: string) => {
    const { machine } = contextOf(role);
    return contextOf(role, {
      machine: { ...machine, hostname: `node-${id}`, serial },
      bootId: `i-525400123456-${id}`,
      configUrl: `http://10.77.0.1/boot/${id}/nocloud/`,
      reportUrl: `http://10.77.0.1/boot/${id}/report`,
    });
  };
  t.ok(renderConfig(role, as('1', 'S1')));
  t.ok(renderConfig(role, as('2', 'S1')));
  t.throws(() => renderConfig(role, as('3', '17')), {
    message: /:3:1: `fqdn` must be text: put it in quotes/,
  });
});
