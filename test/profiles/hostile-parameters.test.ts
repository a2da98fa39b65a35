import t from 'tap';
import { mergeParameters } from '../../src/boot/merge-parameters.ts';
import { TinderboxError } from '../../src/errors.ts';
import type { Parameters, ParameterValue } from '../../src/machine/role.ts';
import { type CloudConfig, unitsOf } from './support/cloud-config.ts';
import { renderRole, renderText, SHIPPED_ROLES } from './support/render-role.ts';
import { situationsOf } from './support/situations.ts';

/** Far enough to the right to stay in whatever block of the configuration it stands in. */
const HOSTILE = `x\n${' '.repeat(16)}EVIL=1`;

/** With what the other parameters have to be for some of them to be used at all. */
const SURROUNDINGS: readonly Parameters[] = [
  {},
  { proxy: 'http://p:1', disk: 'none', networkPolicy: 'calico', insecureRegistries: ['r:1'] },
];

/** Each parameter in turn, with a value that tries to end its line. */
function* hostileOnes(parameters: Parameters): Generator<Parameters> {
  for (const [name, value] of Object.entries(parameters)) {
    const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
    if (isMap && Object.keys(value).length > 0) {
      for (const inner of hostileOnes(value as Parameters)) yield { [name]: inner };
    } else if (isMap) {
      yield { [name]: { rack: HOSTILE } };
      yield { [name]: { [HOSTILE]: 'x' } };
    } else if (Array.isArray(value)) yield { [name]: [HOSTILE] satisfies ParameterValue };
    else yield { [name]: HOSTILE };
  }
}

/** What systemd and sysctl read by lines. */
function settingsOf(config: CloudConfig): readonly string[] {
  const files = (config.write_files ?? []).filter(({ path }) => /\.(env|conf)$|\/keep-disks$/.test(path));
  return [
    ...files.map(({ content }) => content ?? ''),
    ...unitsOf(config).flatMap(({ content, drop_ins: dropIns = [] }) => [
      content ?? '',
      ...dropIns.map((dropIn) => dropIn.content ?? ''),
    ]),
  ];
}

// Not what the catalog's check lets through, which is nothing of this: what the templates themselves make of it.
t.test('no parameter with a line break gets a line of its own in a unit or a file of settings', async (t) => {
  let tried = 0;
  for (const role of SHIPPED_ROLES.values()) {
    // Of what is quoted as YAML or JSON, and checked as such, live-systems.test.ts says that it refuses these.
    const format = role.config?.format;
    if (format !== 'cloud-config' && role.name !== 'debian-install') continue;
    for (const [what, options] of situationsOf(role).filter((_, index) => index % 4 === 0)) {
      for (const [around, hostile] of SURROUNDINGS.flatMap((one) =>
        [...hostileOnes(role.parameters)].map((other) => [one, other] as const),
      )) {
        const parameters = mergeParameters(role.parameters, options.parameters, around, hostile);
        tried += 1;
        try {
          const settings =
            format === 'cloud-config'
              ? settingsOf(renderRole(role, { ...options, parameters }))
              : [renderText(role, { ...options, parameters })];
          const broken = settings.find((text) => /^ *EVIL=1\b/m.test(text));
          if (broken !== undefined) t.fail(`${role.name}, ${what}: ${JSON.stringify(hostile)}\n${broken}`);
        } catch (thrown) {
          if (!(thrown instanceof TinderboxError)) throw thrown;
        }
      }
    }
  }
  t.ok(tried > 500, `${tried}`);
});
