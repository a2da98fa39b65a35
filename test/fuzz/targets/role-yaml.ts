import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadRole } from '../../../src/catalog/load-role.ts';
import { TinderboxError } from '../../../src/errors.ts';
import { checkRoleTemplates } from '../../../src/render/check-templates.ts';
import { renderBootFiles } from '../../../src/render/render-boot-files.ts';
import { contextOf } from '../../render/read-shipped-role.ts';
import { ROOT } from '../corpus-files.ts';
import { bytesOf, textOf } from '../engine/mutate-text.ts';
import { type FuzzTarget, hold } from '../engine/target.ts';
import { checkProblems, YAML_WORDS, yamlMutators } from '../formats/yaml-texts.ts';

const SMALL = `description: a role
boot:
  kernel: /assets/{{parameters.image}}/vmlinuz
  initrd: [/assets/a.img, '{{#if parameters.debug}}/assets/b.img{{/if}}']
  cmdline:
    - console=ttyS0
    - 'url={{configUrl}}'
    - >-
      long
      words
identity: worker
credentials: { delivery: issued }
parameters:
  image: flatcar
  debug: false
  size: 5
  list: [a, b]
checks: { image: [flatcar, debian], size: size }
stageTime: { kernel: 10m }
loaders: { bios: x.kpxe }
`;
const MENU = `description: choose
boot:
  menu:
    title: What now?
    default: local
    timeout: 30
    choices:
      - { role: local, label: The disk, key: l }
      - { role: memtest, label: Memory }
`;
const shipped = (name: string): string =>
  readFileSync(join(ROOT, 'profiles', name, 'role.yaml'), 'utf8')
    .replace(/^ *#.*\n/gm, '')
    .slice(0, 1_800);

const KEYS = [
  'description',
  'boot',
  'kernel',
  'initrd',
  'cmdline',
  'handsOver',
  'menu',
  'title',
  'default',
  'timeout',
  'choices',
  'role',
  'label',
  'key',
  'config',
  'format',
  'template',
  'identity',
  'credentials',
  'delivery',
  'parameters',
  'checks',
  'stageTime',
  'loaders',
  'secureBoot',
  'image',
  'other',
];
const VALUES = [
  'local',
  'hold',
  'worker',
  'none',
  '/assets/x',
  '{{machine.mac}}',
  '{{parameters.image}}',
  '{{#if x}}',
  '{{> p}}',
  '{{json machine}}',
  "'a || b'",
  '"\\n"',
  'cloud-config',
  '../x',
  '[]',
  '{}',
  '5',
  'true',
  '10m',
  'text',
  'size',
  '[a, 1]',
];

export const target: FuzzTarget = {
  what: 'role.yaml: a role whose boot block renders or says why, or every problem with its line and column',
  aims: [
    'catalog/load-role.ts',
    'catalog/load-config.ts',
    'catalog/build-menu.ts',
    'document/',
    'boot/check-parameters.ts',
    'boot/parameter-kinds.ts',
    'boot/choose-loaders.ts',
    'render/render-boot-files.ts',
    'render/ipxe-text.ts',
  ],
  maxLength: 2_000,
  seeds: () => [SMALL, MENU, 'boot: local\n', shipped('worker'), shipped('memtest'), ''].map(bytesOf),
  mutators: yamlMutators(KEYS, VALUES),
  dictionary: [...YAML_WORDS, ...KEYS.map((key) => `${key}: `), '{{', '}}', '{{#if ', '{{/if}}'],
  async run(input) {
    // There is no such folder, so that what config: names is missing: a problem like any other.
    const { role, problems } = await loadRole('/nonexistent/fuzzed', input, new Map());
    checkProblems(
      problems.filter(({ file }) => file === '/nonexistent/fuzzed/role.yaml'),
      textOf(input),
    );
    const isBroken = problems.some(({ severity }) => severity === 'error');
    hold(isBroken === (role === undefined), 'a role with errors, or none without');
    if (role === undefined) return;
    const flaws = checkRoleTemplates(role);
    checkProblems(flaws, textOf(input));
    if (flaws.length > 0) return;
    try {
      const files = renderBootFiles(role, contextOf(role));
      for (const word of files?.cmdline ?? [])
        hold(/^[\x21-\x7e]+$/.test(word), () => `argument ${JSON.stringify(word)}`);
      for (const path of files === undefined ? [] : [files.kernel, ...files.initrd])
        hold(/^(\/|https?:\/\/)[\x21-\x7e]+$/.test(path), () => `path ${JSON.stringify(path)}`);
    } catch (error) {
      if (!(error instanceof TinderboxError && error.code === 'invalid-template')) throw error;
      hold(error.problems.length > 0, 'a refusal without a place');
    }
  },
};
