import { basename, join } from 'node:path';
import { checkDeclarations } from '../boot/check-parameters.ts';
import { explainClaim, joinLoaders, type Loaders } from '../boot/choose-loaders.ts';
import { readDocument } from '../document/read-document.ts';
import { readStageTimes } from '../document/text-schemas.ts';
import type { Problem } from '../errors.ts';
import { DEFAULT_CREDENTIALS } from '../machine/identity.ts';
import type {
  BootAction,
  ParameterChecks,
  Parameters,
  Partials,
  Role,
  RoleConfig,
  TemplateSource,
} from '../machine/role.ts';
import { buildMenu, checkMenu } from './build-menu.ts';
import { loadConfig } from './load-config.ts';
import { type RawRole, RoleSchema } from './schema.ts';

export interface LoadedRole {
  /** Absent if any problem is an error. */
  readonly role?: Role;
  readonly problems: readonly Problem[];
}

/** Reads `<folder>/role.yaml` and its template. `bytes`: the content of role.yaml. */
export async function loadRole(folder: string, bytes: Uint8Array, partials: Partials): Promise<LoadedRole> {
  const file = join(folder, 'role.yaml');
  const reading = readDocument(RoleSchema, { file, bytes });
  const raw = reading.value;
  if (raw === undefined) return { problems: reading.problems };

  const text = (path: readonly (string | number)[], value: string): TemplateSource => ({
    file,
    text: value,
    line: reading.locateText(path),
  });
  const { config, problems: misread } = await loadConfig(folder, raw.config);
  if (misread.length > 0) {
    const located = misread.map(
      ({ path, message, remedy }): Problem => ({
        severity: 'error',
        message,
        file,
        ...reading.locate(['config', ...path]),
        ...(remedy === undefined ? {} : { remedy }),
      }),
    );
    return { problems: [...reading.problems, ...located] };
  }
  const lineOf = (path: readonly (string | number)[]): number => reading.locate(path).line;
  const { loaders, claimed } = joinLoaders(raw.secureBoot, raw.loaders);
  if (claimed.length > 0) {
    const located = claimed.map((name): Problem => {
      const message = explainClaim(name, loaders.get(name) ?? '');
      return { severity: 'error', message, file, ...reading.locateKey(['loaders', name]) };
    });
    return { problems: [...reading.problems, ...located] };
  }
  const role = buildRole({ folder, raw, text, lineOf, config, partials, loaders });
  const menuFlaws = checkMenu(role).map(
    ({ path, message }): Problem => ({ severity: 'error', message, file, ...reading.locate(path) }),
  );
  if (menuFlaws.length > 0) return { problems: [...reading.problems, ...menuFlaws] };
  const flawed = checkDeclarations(role).map(({ path, message, key }): Problem => {
    const whole = path[0] === 'checks' ? path : ['parameters', ...path];
    return { severity: 'error', message, file, ...(key ? reading.locateKey(whole) : reading.locate(whole)) };
  });
  const problems = [...reading.problems, ...flawed];
  return flawed.length > 0 ? { problems } : { role, problems };
}

interface RoleParts {
  readonly folder: string;
  readonly raw: RawRole;
  readonly text: (path: readonly (string | number)[], value: string) => TemplateSource;
  readonly lineOf: (path: readonly (string | number)[]) => number;
  readonly config: RoleConfig | undefined;
  readonly partials: Partials;
  readonly loaders: Loaders;
}

function buildRole({ folder, raw, text, lineOf, config, partials, loaders }: RoleParts): Role {
  return {
    name: basename(folder),
    description: raw.description ?? '',
    file: join(folder, 'role.yaml'),
    boot: buildBoot(raw.boot, { text, lineOf }),
    ...(config === undefined ? {} : { config }),
    identity: raw.identity ?? 'none',
    credentials: { ...DEFAULT_CREDENTIALS, ...raw.credentials },
    parameters: (raw.parameters ?? {}) as Parameters,
    ...(raw.checks === undefined ? {} : { checks: buildChecks(raw.checks) }),
    partials,
    ...(raw.stageTime === undefined ? {} : { stageTime: readStageTimes(raw.stageTime) }),
    ...(loaders.size === 0 ? {} : { loaders }),
  };
}

function buildChecks(raw: NonNullable<RawRole['checks']>): ParameterChecks {
  return Object.fromEntries(
    Object.entries(raw).map(([name, allowed]) => [name, typeof allowed === 'string' ? [allowed] : allowed]),
  );
}

function buildBoot(boot: RawRole['boot'], { text, lineOf }: Pick<RoleParts, 'text' | 'lineOf'>): BootAction {
  if (typeof boot === 'string') return { kind: boot };
  if ('menu' in boot) return buildMenu(boot.menu, lineOf);
  return {
    kind: 'kernel',
    kernel: text(['boot', 'kernel'], boot.kernel),
    initrd: (boot.initrd ?? []).map((value, index) => text(['boot', 'initrd', index], value)),
    cmdline: (boot.cmdline ?? []).map((value, index) => text(['boot', 'cmdline', index], value)),
    ...(boot.handsOver === undefined ? {} : { handsOver: boot.handsOver }),
  };
}
