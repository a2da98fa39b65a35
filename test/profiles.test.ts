import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { parse } from 'yaml';
import { TinderboxError } from '../src/errors.ts';
import type { Role } from '../src/machine/role.ts';
import { checkRoleTemplates } from '../src/render/check-templates.ts';
import { machineScript } from '../src/render/render-script.ts';
import { checkFiles } from './profiles/support/check-files.ts';
import { checkShells, scriptsOf } from './profiles/support/check-shell.ts';
import { type CloudConfig, unitsOf } from './profiles/support/cloud-config.ts';
import { CUSTOM_KINDS } from './profiles/support/custom-kinds.ts';
import { PROFILES, parseConfig, renderText, SHIPPED_ROLES } from './profiles/support/render-role.ts';
import { situationsOf } from './profiles/support/situations.ts';
import { contextOf, readShippedRole } from './render/read-shipped-role.ts';

const LAB = join(import.meta.dirname, '../src/lab/profiles');
const ROLES: readonly Role[] = [
  ...SHIPPED_ROLES.values(),
  ...readdirSync(LAB).map((name) => readShippedRole(LAB, name)),
];
/** The others are held to what reads them in tests of their own. */
const CONFIGURED = ROLES.filter(({ config }) => config?.format === 'cloud-config');

interface Rendered {
  readonly what: string;
  readonly role: Role;
  readonly config: CloudConfig;
}

/** Every role in every situation, each text once. A role that cannot do without a cluster has to say so. */
function renderAll(): readonly Rendered[] {
  const seen = new Set<string>();
  return CONFIGURED.flatMap((role) =>
    situationsOf(role).flatMap(([what, options]): readonly Rendered[] => {
      let text: string;
      try {
        text = renderText(role, options);
      } catch (thrown) {
        const saysSo = thrown instanceof TinderboxError && /cluster/.test(thrown.message);
        if (options.cluster === null && saysSo && role.identity !== 'worker') return [];
        throw new Error(`${role.name}, ${what}`, { cause: thrown });
      }
      if (seen.has(role.name + text)) return [];
      seen.add(role.name + text);
      return [{ what: `${role.name}, ${what}`, role, config: parseConfig(text) }];
    }),
  );
}
const RENDERED = renderAll();

t.test('every role that ships is free of unknown variables', async (t) => {
  t.ok(ROLES.length >= 7);
  for (const role of ROLES) t.strictSame(checkRoleTemplates(role), [], role.name);
});

t.test('every role that ships renders for every kind of machine, and parses back', async (t) => {
  t.ok(RENDERED.length > 40);
  for (const { what, config } of RENDERED) t.equal(config.hostname, 'node-123456', what);
  for (const role of ROLES.filter(({ boot }) => boot.kind === 'kernel')) {
    t.match(machineScript({ role, context: contextOf(role), hostname: 'h' }), /^#!ipxe\n/, role.name);
  }
});

t.test('no shell has anything against a script of any role', async (t) => {
  const scripts = RENDERED.flatMap(({ config }) => [...scriptsOf(config).values()]);
  t.ok(scripts.length > 0);
  t.strictSame(checkShells(scripts), []);
});

t.test('every file that another program parses is one that it can', async (t) => {
  for (const { what, config } of RENDERED) t.strictSame(await checkFiles(config, CUSTOM_KINDS), [], what);
});

t.test('scripts can be run, and keys are for nobody but root', async (t) => {
  for (const { what, config } of RENDERED) {
    for (const { path, content, permissions, owner } of config.write_files ?? []) {
      if (content.startsWith('#!')) t.equal(permissions, '0755', `${what}: ${path}`);
      if (!/PRIVATE KEY/.test(content) || content.startsWith('#!')) continue;
      t.equal(permissions, '0600', `${what}: ${path}`);
      t.equal(owner, 'root', `${what}: ${path}`);
    }
  }
});

t.test('what a role starts or requires is a unit that it writes, or that its system has', async (t) => {
  for (const { what, config } of RENDERED) {
    const units = unitsOf(config);
    const written = new Set(units.map(({ name }) => name));
    const texts = units.flatMap(({ content = '', drop_ins: dropIns = [] }) => [
      content,
      ...dropIns.map((dropIn) => dropIn.content),
    ]);
    const named = texts.flatMap((text) => [
      ...[...text.matchAll(/^(?:Requires|Wants|BindsTo)=(.*)$/gm)].flatMap(([, names = '']) =>
        names.split(' '),
      ),
      ...[...text.matchAll(/systemctl (?:--no-block )?(?:start|restart) (.*)$/gm)].flatMap(([, names = '']) =>
        names.split(' '),
      ),
    ]);
    for (const name of named) {
      t.ok(written.has(name) || SYSTEM_UNITS.test(name), `${what}: ${name}`);
    }
  }
});
/** Of Flatcar and Container Linux. */
const SYSTEM_UNITS =
  /^(network-online\.target|(containerd|docker|flanneld|etcd-member|etcd2|systemd-[a-z-]+)\.service)$/;

t.test("a unit that is enabled can be, and etcd's old key is left to the old roles", async (t) => {
  for (const { what, role, config } of RENDERED) {
    // An enabled unit without this section is ignored with a warning in a journal that nobody reads.
    for (const { name, enable, content = '' } of unitsOf(config)) {
      if (enable === true) t.match(content, /^\[Install\]$/m, `${what}: ${name}`);
    }
    if (!role.name.startsWith('coreos-')) t.notOk('etcd2' in (config.coreos ?? {}), what);
  }
});

t.test('what a role has only while keys are released it has not afterwards', async (t) => {
  for (const { what, config } of RENDERED.filter(({ what }) => what.endsWith(' and gone'))) {
    for (const { path, content } of config.write_files ?? []) {
      t.notMatch(content, /BEGIN [A-Z ]*PRIVATE KEY/, `${what}: ${path}`);
    }
  }
});

t.test('every parameter of a role is explained where it is declared', async (t) => {
  for (const role of ROLES) {
    const lines = readFileSync(role.file, 'utf8').split('\n');
    for (const name of Object.keys(role.parameters)) {
      const index = lines.findIndex((line) => line.startsWith(`  ${name}:`));
      const before = lines[index - 1] ?? '';
      // Two that are explained together stand together.
      t.ok(before.startsWith('  #') || lines[index - 2]?.startsWith('  #'), `${role.file}: ${name}`);
    }
  }
});

t.test('every partial that ships is used, and says what it needs', async (t) => {
  const partials = [...(SHIPPED_ROLES.get('worker')?.partials ?? [])];
  const texts = [
    ...partials.map(([, { text }]) => text),
    ...[...SHIPPED_ROLES.values()].map(({ config }) => config?.template.text ?? ''),
  ].join('\n');
  for (const [name, { text }] of partials) {
    t.match(text, /^\{\{!-- /, name);
    t.ok(new RegExp(`\\{\\{> ${name}[ }\\n]`).test(texts), name);
  }
});

t.test(
  'machines.yaml as it ships gives every machine the worker role, and names those that there are',
  async (t) => {
    const text = readFileSync(join(PROFILES, 'machines.yaml'), 'utf8');
    t.strictSame(parse(text), { machines: {}, rules: [], default: 'worker' });
    for (const name of SHIPPED_ROLES.keys()) t.ok(text.includes(name), name);
  },
);
