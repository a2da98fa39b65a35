import fc from 'fast-check';
import t from 'tap';
import { skeletonOf } from '../../src/render/config-skeleton.ts';
import { checkRenderedCloudConfig } from '../../src/render/render-cloud-config.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { renderTemplate } from '../../src/render/template-engine.ts';
import { contextOf, roleOf } from './read-shipped-role.ts';

/** Values stand unquoted, as keys' values, in lists, in names that must be unique or of a form, inside longer words. */
const TEMPLATES = [
  `hostname: {{machine.hostname}}\nwrite_files:\n  - path: /etc/{{machine.hostname}}\n    content: {{machine.mac}}\n`,
  `hostname: a{{machine.hostname}}\nusers:\n  - name: {{machine.uuid}}\n  - name: {{machine.hostname}}\n`,
  `write_files:\n  - path: /{{machine.mac}}\n  - path: /{{machine.hostname}}\n  - path: /{{machine.address}}\n    content: {{machine.address}}\n`,
  `ssh_authorized_keys: [{{configUrl}}, {{reportUrl}}, {{machine.uuid}}, {{machine.mac}}1]\n`,
  `ssh_authorized_keys: ['x', 10:{{machine.mac}}, 1{{machine.hostname}}, {{machine.address}}1, {{machine.mac}}:10]\n`,
  `coreos: { units: [ { name: {{machine.hostname}}.service, content: '[{{machine.hostname}}]' } ] }\n`,
].map((text) => roleOf(`#cloud-config\n${text}`));
/** One a template, so that its machines share what a rack shares, and with it a mold. */
const CONTEXTS = new Map(TEMPLATES.map((role) => [role, contextOf(role)]));

const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(...'0123456789abcdef'.split('')), minLength: length, maxLength: length });
const mac = fc.array(hex(2), { minLength: 6, maxLength: 6 }).map((bytes) => bytes.join(':'));
const digits = fc
  .array(fc.integer({ min: 10, max: 59 }), { minLength: 6, maxLength: 6 })
  .map((bytes) => bytes.join(':'));
const name = fc.string({ unit: fc.constantFrom(...'ab01-.y e'.split('')), minLength: 0, maxLength: 12 });
const hostname = fc.oneof(
  { weight: 6, arbitrary: hex(6).map((tail) => `node-${tail}`) },
  name,
  fc.constantFrom(
    'on',
    'e-5',
    'yes',
    'y-1',
    '1-1',
    '2001-01-01',
    'null',
    'n',
    '0x1f',
    'a-'.repeat(30) + 'a',
    'core',
    '',
    'x: y',
    '- a',
    '1e3',
  ),
);
const uuid = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(hex(8), hex(4), hex(4), hex(4), hex(12)).map((parts) => parts.join('-')) },
  fc.constantFrom('', 'x', '12345678'),
);
const address = fc.oneof(
  {
    weight: 6,
    arbitrary: fc
      .array(fc.integer({ min: 0, max: 255 }), { minLength: 4, maxLength: 4 })
      .map((bytes) => bytes.join('.')),
  },
  fc.constantFrom('', '1.5', '10'),
);
const session = fc.oneof({ weight: 8, arbitrary: hex(8) }, fc.constantFrom('a b', 'a#', "a'", 'a: b', ''));

t.test('a configuration that passes because of another like it would have passed by itself', async (t) => {
  let known = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...TEMPLATES),
      fc.record({
        mac: fc.oneof({ weight: 4, arbitrary: mac }, { weight: 4, arbitrary: digits }, fc.constant('x')),
        hostname,
        uuid,
        address,
      }),
      session,
      (role, machine, id) => {
        const context = CONTEXTS.get(role) ?? contextOf(role);
        const changed = {
          ...context,
          machine: { ...context.machine, ...machine },
          configUrl: `http://10.77.0.1/boot/${id}/cloud-config`,
          reportUrl: `http://10.77.0.1/boot/${id}/report`,
        };
        const template = role.config?.template ?? { file: '', text: '', line: 1 };
        const body = renderTemplate(template, changed);
        if (skeletonOf(body, changed) !== undefined) known++;
        const alone = checkRenderedCloudConfig(body, 'x').length === 0;
        let together = true;
        try {
          renderConfig(role, changed);
        } catch {
          together = false;
        }
        return alone === together;
      },
    ),
    { numRuns: 3000 },
  );
  t.ok(known > 500, `${known} of 3000 had a skeleton`);
});

t.test('machines of one rack have one skeleton, and another serial number makes another', async (t) => {
  const role = roleOf('{{machine.mac}} {{machine.hostname}} {{machine.serial}} {{configUrl}}');
  const source = role.config?.template ?? { file: '', text: '', line: 1 };
  const context = contextOf(role);
  const of = (changes: Partial<typeof context.machine>, id = 'abc') => {
    const changed = {
      ...context,
      configUrl: `http://10.77.0.1/boot/${id}/cloud-config`,
      reportUrl: `http://10.77.0.1/boot/${id}/report`,
      machine: { ...context.machine, ...changes },
    };
    return skeletonOf(renderTemplate(source, changed), changed);
  };
  t.equal(
    of({ mac: '52:54:00:ab:00:01', hostname: 'node-ab0001' }),
    of({ mac: '52:54:00:ab:00:02', hostname: 'node-ab0002' }, 'xyz'),
  );
  t.not(of({}), of({ serial: 'other' }));
  t.not(of({ mac: '52:54:00:12:34:56' }), of({ mac: '52:54:00:ab:34:56' }));
});
