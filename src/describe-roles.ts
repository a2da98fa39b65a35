import { join } from 'node:path';
import type { PreviewView, RoleDetailView, RoleListView, RoleView } from './admin/explain-api.ts';
import { maskSecrets } from './boot/mask-secrets.ts';
import { describeMatch } from './boot/match-rule.ts';
import type { CatalogHolder } from './catalog/catalog-holder.ts';
import { readProfileFile } from './catalog/read-profile-file.ts';
import {
  isRoleName,
  problemsOfRole,
  type RoleFile,
  readRoleFiles,
  surveyRoles,
} from './catalog/survey-roles.ts';
import { type Problem, TinderboxError } from './errors.ts';
import type { Mac } from './machine/mac.ts';
import type { Catalog, Role } from './machine/role.ts';
import type { BootSession } from './machine/session.ts';

export interface DescribeRolesDeps {
  /** profiles/. */
  readonly dir: string;
  readonly catalog: Pick<CatalogHolder, 'current' | 'problems' | 'warnings' | 'refresh'>;
  /** The newest boot session of each machine. */
  readonly sessions: () => Iterable<BootSession>;
  readonly preview: RoleDescriptions['preview'];
}

export interface RoleDescriptions {
  /** Every folder of a role on disk, and those in force that are gone from there. */
  list(): Promise<RoleListView>;
  /** Throws `not-found`. */
  show(name: string): Promise<RoleDetailView>;
  /**
   * What a machine would be served now, or if it had this role. Throws `refused` with the reasons where it would get
   * nothing, `not-found` for a role that is not in force, `invalid-template` where it does not render.
   */
  preview(mac: Mac, role?: string): Promise<PreviewView>;
}

/** Of entries that give a role; a hall of machines has thousands. */
const MOST_GIVERS = { list: 10, show: 100 } as const;
const MOST_USERS = 100;

/**
 * Describes the roles for people: as their files are on disk, with what is wrong with them, and who has them by the
 * catalog in force.
 */
export function describeRoles(deps: DescribeRolesDeps): RoleDescriptions {
  const { dir, catalog, sessions } = deps;

  const describe = async (name: string, most: number): Promise<[RoleView, readonly RoleFile[]]> => {
    const role = catalog.current().roles.get(name);
    const files = await readRoleFiles(dir, name);
    const problems = problemsOfRole(dir, name, files, [...catalog.problems(), ...catalog.warnings()]);
    const view: RoleView = {
      name,
      description: role?.description ?? '',
      folder: join(dir, name),
      boot: role?.boot.kind ?? 'hold',
      identity: role?.identity ?? 'none',
      givenBy: await giversOf(name, catalog.current(), most),
      machines: Array.from(sessions()).filter((session) => session.role === name).length,
      problems: [...problems, ...notInForce(name, role, catalog.problems(), dir)],
    };
    return [view, files];
  };

  return {
    async list() {
      await catalog.refresh();
      const names = new Set([...(await surveyRoles(dir)), ...catalog.current().roles.keys()]);
      const roles: RoleView[] = [];
      for (const name of [...names].toSorted()) roles.push((await describe(name, MOST_GIVERS.list))[0]);
      return { roles, problems: [...catalog.problems(), ...catalog.warnings()] };
    },

    async show(name) {
      await catalog.refresh();
      const onDisk = isRoleName(name) && (await surveyRoles(dir)).includes(name);
      if (!onDisk && !catalog.current().roles.has(name)) throw unknownRole(name, dir);
      const [view, files] = await describe(name, MOST_GIVERS.show);
      const parameters = catalog.current().roles.get(name)?.parameters;
      return {
        ...view,
        problems: [...view.problems, ...files.flatMap(({ problem }) => problem ?? [])],
        files: files.map(({ name: file, text }) => ({ name: file, text: maskSecrets(text, parameters) })),
        usedBy: Array.from(sessions())
          .filter((session) => session.role === name)
          .toSorted((a, b) => b.openedAt - a.openedAt)
          .slice(0, MOST_USERS)
          .map(({ mac, hostname }) => ({ mac, ...(hostname === undefined ? {} : { hostname }) })),
      };
    },

    async preview(mac, role) {
      await catalog.refresh();
      return deps.preview(mac, role);
    },
  };
}

async function giversOf(name: string, catalog: Catalog, most: number): Promise<RoleView['givenBy']> {
  const entries = [...catalog.machines.values()].filter(
    (entry) => entry.role === name || entry.once === name,
  );
  const shown = entries.length > most + 1 ? entries.slice(0, most) : entries;
  const rest = entries[shown.length];
  return [
    ...catalog.rules
      .filter((rule) => rule.role === name)
      .map((rule) => ({ what: `the rule for ${describeMatch(rule.match)}`, line: rule.line })),
    ...(catalog.defaultRole === name ? [{ what: 'the default', line: await lineOfDefault(catalog) }] : []),
    ...shown.map(({ mac, hostname, role, line }) => ({
      what: `${role === name ? '' : 'once: '}the entry of ${mac}${hostname === undefined ? '' : ` (${hostname})`}`,
      line,
    })),
    ...(rest === undefined
      ? []
      : [{ what: `${entries.length - shown.length} more entries, from`, line: rest.line }]),
  ];
}

/** The catalog does not keep it; 1 where the file has changed so much that it is not found. */
async function lineOfDefault({ file }: Catalog): Promise<number> {
  const content = await readProfileFile(file);
  if ('problem' in content) return 1;
  const index = content.bytes
    .toString('utf8')
    .split('\n')
    .findIndex((line) => /^["']?default["']?\s*:/.test(line));
  return index === -1 ? 1 : index + 1;
}

/** A folder that is newer than the catalog in force, or gone from under it. */
function notInForce(
  name: string,
  role: Role | undefined,
  problems: readonly Problem[],
  dir: string,
): readonly Problem[] {
  if (role !== undefined || problems.some(({ file }) => file?.startsWith(join(dir, name)) === true))
    return [];
  return [
    {
      severity: 'error',
      message: 'this role is not in force: the catalog has not taken it up',
      file: join(dir, name),
      remedy: 'Mend what is wrong with the files, then `tinderbox check` says that they are sound.',
    },
  ];
}

function unknownRole(name: string, dir: string): TinderboxError {
  const quoted = JSON.stringify(name.slice(0, 64));
  return new TinderboxError('not-found', `there is no role ${quoted} in ${dir}`, {
    remedy: 'A role is a folder there with a role.yaml.',
  });
}
