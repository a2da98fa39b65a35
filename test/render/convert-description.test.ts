import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { parse } from 'yaml';
import { TinderboxError } from '../../src/errors.ts';
import { convertDescription } from '../../src/render/convert-description.ts';
import { readIgnition } from '../../src/render/read-ignition.ts';
import { checkRenderedCloudConfig } from '../../src/render/render-cloud-config.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { anyDescription, FULL_DESCRIPTION } from './descriptions.ts';
import { contextOf, roleOf } from './read-shipped-role.ts';

const FORMATS = ['cloud-config', 'nocloud', 'ignition'] as const;

function problemsOf(text: string, format: (typeof FORMATS)[number] = 'ignition'): readonly string[] {
  return convertDescription(text, 'm.hbs', format).problems.map(
    ({ line, column, message }) => `${line}:${column}: ${message}`,
  );
}

t.test('what is wrong with a description is said with its place, whatever the dialect', async (t) => {
  const table: readonly [string, RegExp][] = [
    ['hostnam: a\n', /^1:1: unknown key "hostnam"; did you mean "hostname"\?/],
    ['hostname: a.b\n', /without a domain/],
    ['write_files: []\n', /unknown key "write_files"/],
    [
      'files:\n  - path: /a\n    mode: 0644\n    content: x\n',
      /^3:11: .*an octal mode in quotes.*the number 0644/,
    ],
    ['files: [{ path: a, content: x }]\n', /an absolute path/],
    ['files: [{ path: /a/../b, content: x }]\n', /^1:11: "files\[0\]\.path": .*empty part/],
    [
      'files:\n  - { path: /a, content: x }\n  - { path: /a, content: y }\n',
      /^3:7: "files\[1\]\.path": `\/a` stands in files\[0\]/,
    ],
    ['hostname: a\nfiles: [{ path: /etc/hostname, content: b }]\n', /^2:11: .*\/etc\/hostname/],
    ['files: [{ path: /a }]\n', /one of content, contentBase64 and url/],
    ['files: [{ path: /a, content: x, url: "http://h/" }]\n', /one of content/],
    ['files: [{ path: /a, url: "ftp://h/" }]\n', /a source is a URL of/],
    [`files: [{ path: /a, content: x, sha512: ${'a'.repeat(128)} }]\n`, /only what is fetched/],
    ['files: [{ path: /a, contentBase64: "*" }]\n', /no base64/],
    ['files: [{ path: /a, content: "\\ud800" }]\n', /no Unicode/],
    [
      'links: [{ path: /a, target: /b }]\nfiles: [{ path: /a/b, content: x }]\n',
      /^2:11: .*`\/a` above it is a link/,
    ],
    [
      'units:\n  - name: a.service\n    enable: true\n    content: "[Service]\\nA=b\\n"\n',
      /^3:5: "units\[0\]\.enable": .*no \[Install\]/,
    ],
    [
      'units: [{ name: a.service, dropIns: [{ name: a, content: "[Unit]" }] }]\n',
      /"units\[0\]\.dropIns\[0\]\.name": .*ends in \.conf/,
    ],
    [
      'units: [{ name: a.network, enable: true, content: "[Match]\\nName=a\\n" }]\n',
      /networkd reads its files/,
    ],
    ['users: [{ name: a, passwordHash: nonsense }]\n', /^1:20: "users\[0\]\.passwordHash": this is no hash/],
    ['users: [{ name: a }, { name: a }]\n', /"users\[1\]\.name": entry \[0\]/],
    ['users: [{ name: a, comment: "a:b" }]\n', /"users\[0\]\.comment": a comment has no colon/],
    ['disks: [{ device: /dev/sda, partitions: [{}] }]\n', /"disks\[0\]\.partitions\[0\]": .*or a label/],
    [
      'filesystems: [{ device: /dev/a, format: ext4, mount: /a/ }]\n',
      /"filesystems\[0\]\.mount": .*an empty part/,
    ],
    ['kernelModules: [a b]\n', /the name of a kernel module/],
    ['sysctl: { a b: 1 }\n', /the name of a kernel parameter/],
    ['links: [{ path: /a, target: "a\\nb" }]\n', /a control character/],
  ];
  for (const [text, expected] of table)
    for (const format of FORMATS) t.match(problemsOf(text, format)[0] ?? 'no problem', expected, text);
});

t.test('what a dialect cannot say is an error that names those that can', async (t) => {
  const table: readonly [string, (typeof FORMATS)[number], RegExp][] = [
    [
      'users: [{ name: a, uid: 1000 }]\n',
      'cloud-config',
      /^1:20: "users\[0\]\.uid": cloud-config cannot express it; nocloud and ignition can/,
    ],
    ['groups: [{ name: a }]\n', 'cloud-config', /"groups": cloud-config cannot/],
    [
      'groups: [{ name: a, gid: 9 }]\n',
      'nocloud',
      /"groups\[0\]\.gid": nocloud cannot express it; ignition can/,
    ],
    ['files: [{ path: /a, url: "http://h/a" }]\n', 'cloud-config', /"files\[0\]\.url": .*; ignition can/],
    ['files: [{ path: /a, url: "http://h/a" }]\n', 'nocloud', /"files\[0\]\.url": .*; ignition can/],
    [
      'files: [{ path: /a, content: x, append: true }]\n',
      'cloud-config',
      /"files\[0\]\.append": .*nocloud and ignition/,
    ],
    ['links: [{ path: /a, target: /b, hard: true }]\n', 'nocloud', /"links\[0\]\.hard"/],
    ['disks: [{ device: /dev/sda, wipe: true }]\n', 'cloud-config', /"disks": .*; ignition can/],
    ['disks: [{ device: /dev/sda, wipe: true }]\n', 'nocloud', /"disks": .*per cent.*; ignition can/],
    [
      'filesystems: [{ device: /dev/a, format: ext4 }]\n',
      'nocloud',
      /may format over another one.*; ignition can/,
    ],
    [
      'filesystems: [{ device: /dev/a, format: ext4, wipe: true }]\n',
      'cloud-config',
      /nocloud and ignition can/,
    ],
    [
      'units: [{ name: a.network, content: "[Match]\\nName=a\\n" }]\n',
      'nocloud',
      /network-config\); cloud-config and ignition can/,
    ],
    [
      'files: [{ path: /usr/a, content: x }]\n',
      'cloud-config',
      /^1:11: "files\[0\]\.path": `\/usr\/a` is on a read-only/,
    ],
  ];
  for (const [text, format, expected] of table) {
    t.match(problemsOf(text, format)[0] ?? 'no problem', expected, text);
    t.strictSame(problemsOf(text), [], 'Ignition says it');
  }
});

t.test('a role with a description is served in the dialect of its format', async (t) => {
  const role = roleOf(
    'hostname: {{machine.hostname}}\nfiles: [{ path: /etc/mac, content: "{{machine.mac}}" }]\n',
  );
  const described = (format: (typeof FORMATS)[number]) => ({
    ...role,
    config: {
      ...role.config,
      format,
      isDescription: true as const,
      template: role.config?.template ?? { file: '', text: '', line: 1 },
    },
  });
  const served = FORMATS.map((format) => renderConfig(described(format), contextOf(role)));
  t.match(served[0], { contentType: /^text\/cloud-config/, body: /^#cloud-config\nhostname: node-123456\n/ });
  t.match(served[1], {
    contentType: /^text\/cloud-config/,
    body: /^#cloud-config\nhostname: node-123456\npreserve_hostname: false\n/,
  });
  t.match(served[2], {
    contentType: 'application/vnd.coreos.ignition+json',
    body: /^\{"ignition".*data:,52:54:00:12:34:56"/,
  });
  const wrong = {
    ...described('ignition'),
    config: {
      ...described('ignition').config,
      template: {
        file: 'm.hbs',
        text: 'users: [{ name: core, passwordHash: "{{parameters.password}}" }]',
        line: 1,
      },
    },
  };
  t.throws(() => renderConfig(wrong, { ...contextOf(role), parameters: { password: 'correct-horse' } }), {
    code: 'invalid-template',
    message: /^m\.hbs \(rendered\):1:23: "users\[0\]\.passwordHash": this is no hash[^]*$/,
  });
});

const exampleOf = (page: string, begin: string) => {
  const text = readFileSync(join(import.meta.dirname, '../../docs', page), 'utf8');
  const found = [...text.matchAll(/^```yaml\n([^]*?)^```/gm)].find(([, one = '']) => one.startsWith(begin));
  return found?.[1] ?? 'no such example';
};
const render = (text: string, format: (typeof FORMATS)[number], more: object) => {
  const role = roleOf(text);
  const { template } = role.config ?? { template: { file: '', text: '', line: 1 } };
  const context = { ...contextOf(role), parameters: { sshAuthorizedKeys: ['ssh-ed25519 AAAA you'] } };
  return renderConfig({ ...role, config: { format, template, ...more } }, context).body;
};

t.test('the examples of the documentation are what it says of them', async (t) => {
  const whole = exampleOf('description.md', '# yaml-language-server');
  const disks = exampleOf('description.md', 'disks:');
  for (const format of FORMATS)
    t.match(render(whole, format, { isDescription: true }), 'web.service', format);
  t.match(render(`${whole}${disks}`, 'ignition', { isDescription: true }), 'srv-web.mount');
  t.match(render(exampleOf('ignition.md', 'variant:'), 'ignition', {}), 'var-lib-data.mount');
});

t.test('no message quotes what may be a secret', async (t) => {
  for (const text of [
    'users: [{ name: a, passwordHash: [horse] }]\n',
    'users: [{ name: a, sshAuthorizedKeys: [horse] }]\n',
    'files: [{ path: /a, content: 12345678 }]\n',
    'files: [{ path: /a, url: "http://h/horse x" }]\n',
    'files: [{ path: /a, contentBase64: "horse!" }]\n',
  ]) {
    t.not(problemsOf(text).length, 0, text);
    t.notMatch(problemsOf(text).join(' '), /horse|12345678/, text);
  }
});

t.test('the full example is sound in Ignition, which can say all of it', async (t) => {
  t.strictSame(problemsOf(FULL_DESCRIPTION), []);
});

t.test('whatever a description says, it is converted or refused, and what comes out is sound', async () => {
  fc.assert(
    fc.property(anyDescription, fc.constantFrom(...FORMATS), (description, format) => {
      const { body, problems } = convertDescription(JSON.stringify(description), 'm', format);
      if (problems.length > 0) return body === '';
      if (format === 'ignition') return readIgnition(body, 'x').problems.length === 0;
      if (format === 'cloud-config') return checkRenderedCloudConfig(body, 'x').length === 0;
      const both = [parse(body, { version: '1.1' }), parse(body)].map((each) => JSON.stringify(each));
      return body.startsWith('#cloud-config\n') && both[0] === both[1];
    }),
    { numRuns: 500 },
  );
});

t.test('nothing but a TinderboxError comes out of any text', async () => {
  const word = fc.constantFrom(
    'hostname: ',
    'files:',
    '\n',
    ' ',
    '- ',
    'path: /a',
    'content: |',
    '{',
    '}',
    '[',
    '"',
    '&a ',
    '*a',
    '!x ',
    'units:',
    'name: ',
    ': ',
    '\t',
    '0644',
    'null',
    '\u0000',
  );
  const role = roleOf('x');
  const template = role.config?.template ?? { file: '', text: '', line: 1 };
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 20 }),
      fc.constantFrom(...FORMATS),
      fc.boolean(),
      (words, format, described) => {
        const config = {
          format,
          template: { ...template, text: words.join('').replaceAll('{{', '{ {') },
          ...(described ? { isDescription: true as const } : {}),
        };
        try {
          return renderConfig({ ...role, config }, contextOf(role)).body !== '';
        } catch (thrown) {
          return thrown instanceof TinderboxError;
        }
      },
    ),
    { numRuns: 1000 },
  );
});
