import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import type { Partials, TemplateSource } from '../../src/machine/role.ts';
import type { CertificateContext, TemplateContext } from '../../src/render/context.ts';
import { fillMold, type Mold } from '../../src/render/mold-template.ts';
import { verdictKeyOf } from '../../src/render/mold-verdict.ts';
import { renderMolded, renderTemplate } from '../../src/render/template-engine.ts';
import { contextOf, readShippedRole, roleOf } from './read-shipped-role.ts';

const PROFILES = fileURLToPath(new URL('../../profiles', import.meta.url));
const base = contextOf(roleOf(''), { parameters: { labels: { a: 'b' }, list: ['x', 'y'] } });
const pem = (what: string, line: string): string =>
  `-----BEGIN ${what}-----\n${line.repeat(16).slice(0, 64)}\n${line}==\n-----END ${what}-----\n`;

function certificate(changes: Partial<CertificateContext> = {}): CertificateContext {
  return {
    name: 'node',
    commonName: 'system:node:node-123456',
    organizations: ['system:nodes'],
    dns: ['node-123456'],
    addresses: ['10.77.0.50'],
    certificateFile: '/etc/kubernetes/pki/node.crt',
    keyFile: '/etc/kubernetes/pki/node.key',
    url: '',
    certificate: '',
    key: '',
    ...changes,
  };
}

function withKey(key: string): TemplateContext {
  return {
    ...base,
    identity: { ...base.identity, certificates: [certificate({ key })] },
  };
}

/** Handlebars' own text: a source that was never seen has no mold. */
function byHandlebars(source: TemplateSource, context: TemplateContext, partials?: Partials): string {
  return renderTemplate({ ...source }, context, partials);
}

const word = fc.oneof(
  fc.constantFrom(
    '',
    'arm64',
    'x86_64',
    'node-0a0b0c',
    '10.77.0.9',
    "it's",
    'a "b"',
    'two\nlines',
    'end\n',
    '{{x}}',
    '\ue000',
    '[object Object]',
    '[object',
  ),
  fc.string({ maxLength: 12 }),
);
const machines = fc.record({
  mac: word,
  hostname: word,
  address: word,
  uuid: word,
  serial: word,
  arch: fc.constantFrom('', 'arm64', 'x86_64'),
  manufacturer: word,
  product: word,
});
const pairs = fc.record({
  certificate: word,
  key: word,
  url: word,
  commonName: word,
  dns: fc.array(word, { maxLength: 2 }),
});

/** Contexts of one rack: what is shared is the same object. */
const contexts = fc
  .record({ machine: machines, pair: pairs, configUrl: word, reportUrl: word, bootId: word, nodeName: word })
  .map(({ machine, pair, nodeName, ...urls }): TemplateContext => {
    return {
      ...base,
      ...urls,
      machine: { ...base.machine, ...machine },
      identity: { ...base.identity, kind: 'worker', nodeName, certificates: [certificate(pair)] },
    };
  });

const PARTIALS: Partials = new Map(
  Object.entries({
    pair: '- {{name}}\n  {{indent 2 text}}\n',
    file: '- path: {{machine.hostname}}\n  content: |\n    {{indent 4 (default machine.serial "none")}}\n',
    bare: 'x: {{machine.product}}\n',
    tail: 'x:\n{{machine.serial}}{{machine.product}}',
  }).map(([name, text]) => [name, { file: `${name}.hbs`, text, line: 1 }]),
);

const TEMPLATES: readonly string[] = [
  '{{machine.mac}} is {{machine.hostname}}',
  '{{quote machine.hostname}} {{json machine.serial space=2}} {{base64 machine.product}}',
  '{{#if machine.address}}at {{machine.address}}{{else}}nowhere{{/if}}, {{#unless machine.uuid}}no uuid{{/unless}}',
  '{{#if (eq machine.arch "arm64")}}arm{{else}}{{machine.arch}}{{/if}}',
  '{{#if (and machine.address (not (eq machine.arch "")))}}both{{/if}}',
  '{{#each identity.certificates as |one|}}{{one.name}}: {{one.commonName}} {{json one.key}}\n{{#each one.dns}}-{{this}}{{/each}}{{/each}}',
  '{{#each identity.certificates}}{{join dns ","}} {{json organizations}}{{/each}}',
  '{{concat "http://" machine.address ":" server.syslogPort}}{{hostOf (concat machine.address ":1")}}',
  '{{required machine.serial "a serial number is needed"}}',
  '{{default machine.uuid machine.serial}}',
  'files:\n  {{> file}}\n  {{> bare}}\nend: {{machine.mac}}\n',
  'a:\n  {{> tail}}\nend\n',
  '{{machine.serial}} Object]',
  '  {{> pair name=machine.mac text=machine.product}}\n',
  '{{#with machine as |m|}}{{m.mac}}{{/with}}{{@root.bootId}}',
  '{{#each machine}}{{@key}}={{#unless (eq @key "labels")}}{{#unless (eq @key "dns")}}{{this}}{{/unless}}{{/unless}};{{/each}}',
  '{{json machine}}{{json identity.certificates}}',
  '{{shell reportUrl}} {{oneLine configUrl}} {{unit machine.hostname}}',
];

function outcome(run: () => string): string {
  try {
    return run();
  } catch (error) {
    return `throws ${(error as Error).message}`;
  }
}

t.test('what comes of a mold is what Handlebars makes, to the letter and to the error', async (t) => {
  let molded = 0;
  const sources = TEMPLATES.map((text): TemplateSource => ({ file: 't.hbs', text, line: 1 }));
  fc.assert(
    fc.property(fc.constantFrom(...sources), contexts, (source, context) => {
      let mold: Mold | undefined;
      const text = outcome(() => {
        const rendered = renderMolded(source, context, PARTIALS);
        mold = rendered.mold;
        return rendered.text;
      });
      if (mold !== undefined) molded++;
      return text === outcome(() => byHandlebars(source, context, PARTIALS));
    }),
    { numRuns: 6000 },
  );
  t.ok(molded > 1500, `${molded} of 6000 came of a mold`);
});

t.test('every template that ships, of machines that differ in everything that a mold fills in', async (t) => {
  const names = readdirSync(PROFILES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'partials')
    .map(({ name }) => name);
  const plain = fc.record({
    hex: fc.integer({ min: 0, max: 0xffffff }).map((number) => number.toString(16).padStart(6, '0')),
    address: fc.constantFrom('', '10.77.0.9', '10.77.1.200'),
    arch: fc.constantFrom('', 'arm64', 'x86_64'),
    isIssued: fc.boolean(),
  });
  for (const name of names) {
    const role = readShippedRole(PROFILES, name);
    const shared = contextOf(role);
    const { boot, config } = role;
    const sources = [
      ...(boot.kind === 'kernel' ? [boot.kernel, ...boot.initrd, ...boot.cmdline] : []),
      ...(config === undefined ? [] : [config.template, ...(config.files?.values() ?? [])]),
    ];
    let molded = 0;
    fc.assert(
      fc.property(plain, ({ hex, address, arch, isIssued }) => {
        const hostname = `node-${hex}`;
        const url = `http://10.77.0.1/boot/${hex}`;
        const context: TemplateContext = {
          ...shared,
          configUrl: `${url}/cloud-config`,
          reportUrl: `${url}/report`,
          machine: {
            ...shared.machine,
            mac: `52:54:00:${hex.replace(/..\B/g, '$&:')}`,
            hostname,
            address,
            arch,
          },
          identity: {
            ...shared.identity,
            kind: role.identity,
            delivery: isIssued ? 'issued' : 'csr',
            nodeName: hostname,
            certificates: [
              certificate(
                isIssued
                  ? { certificate: pem('CERTIFICATE', hex), key: pem('PRIVATE KEY', hex), dns: [hostname] }
                  : { url: `${url}/csr?name=node`, dns: [hostname] },
              ),
            ],
          },
        };
        return sources.every((source) => {
          let text = '';
          const told = outcome(() => {
            const rendered = renderMolded(source, context, role.partials);
            if (rendered.mold !== undefined) molded++;
            text = rendered.text;
            return text;
          });
          return told === outcome(() => byHandlebars(source, context, role.partials));
        });
      }),
      { numRuns: 20 },
    );
    if (sources.length > 0)
      t.ok(molded > 0, `${name}: ${molded} of ${20 * sources.length} texts came of a mold`);
  }
});

t.test('a mold keeps nothing of a key, and knows two configurations with keys for alike', async (t) => {
  const source: TemplateSource = {
    file: 't.hbs',
    text: '#cloud-config\nwrite_files:\n{{#each identity.certificates as |one|}}\n  - path: {{one.keyFile}}\n    content: {{json one.key}}\n{{/each}}\n',
    line: 1,
  };
  const first = pem('PRIVATE KEY', 'SECRETSECRET');
  renderMolded(source, withKey(first));
  const { mold } = renderMolded(source, withKey(first));
  if (mold === undefined) throw new Error('it has no mold');
  t.notMatch(JSON.stringify(mold), /SECRET/);
  t.match(fillMold(mold, withKey(first)), /SECRETSECRET/);
  const key = verdictKeyOf(mold, withKey(first));
  t.type(key, 'string');
  t.equal(verdictKeyOf(mold, withKey(pem('PRIVATE KEY', 'ANOTHERKEY'))), key);
  t.equal(verdictKeyOf(mold, withKey('no key: at all')), undefined, 'what is no PEM is looked at');
  t.not(verdictKeyOf(mold, withKey('')), key, 'and nothing is something else');
});
