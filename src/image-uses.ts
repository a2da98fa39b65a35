import type { Config } from './config/port.ts';
import type { Catalog, ParameterValue } from './machine/role.ts';
import { tryRoles } from './preflight-roles.ts';

/** Which roles take something of which image. */
export interface ImageUses {
  /** What takes this version; the current one is also taken by who names none. In order of their names. */
  readonly roles: (image: string, version: string, current: boolean) => readonly string[];
  /** Why a version may not go although it is not current: a role, a rule or a machine names it itself. */
  readonly pinned: (image: string, version: string) => string | undefined;
}

/**
 * By what roles have machines boot, and by their parameters: a template that fetches programs puts the names together
 * from those (`kubernetes`, `kubernetesVersion`). Rather too much is taken for a use than too little.
 */
export function imageUses(config: Config, catalog: Catalog): ImageUses {
  const booted = tryRoles(config, catalog).rendered.flatMap(({ role, files }) =>
    files === undefined
      ? []
      : [files.kernel, ...files.initrd, ...files.cmdline].map((text) => ({ role: role.name, text })),
  );
  const given = [
    ...[...catalog.roles.values()].map(({ name, parameters }) => ({
      role: name,
      who: `role ${name}`,
      parameters,
    })),
    ...catalog.rules.map(({ role, line, parameters }) => ({
      role,
      who: `the rule in line ${line}`,
      parameters,
    })),
    ...[...catalog.machines.values()].map(({ mac, role = '', parameters }) => ({
      role,
      who: mac,
      parameters,
    })),
  ].map(({ parameters, ...one }) => ({ ...one, texts: new Set(textsOf(parameters)) }));
  return {
    roles(image, version, current) {
      const takes = (text: string): boolean =>
        text.includes(`/assets/${image}/${version}/`) || (current && isUnversioned(text, image));
      const names = (texts: ReadonlySet<string>): boolean =>
        texts.has(version) || (current && texts.has(image));
      const own = booted.filter(({ text }) => takes(text)).map(({ role }) => role);
      const named = given.filter(({ role, texts }) => role !== '' && names(texts)).map(({ role }) => role);
      return [...new Set([...own, ...named])].toSorted();
    },
    pinned(image, version) {
      const boots = booted.find(({ text }) => text.includes(`/assets/${image}/${version}/`));
      const who =
        boots === undefined ? given.find(({ texts }) => texts.has(version))?.who : `role ${boots.role}`;
      return who === undefined ? undefined : `${who} names it`;
    },
  };
}

function textsOf(value: ParameterValue): readonly string[] {
  if (typeof value === 'string') return [value];
  if (value === null || typeof value !== 'object') return [];
  return Object.values(value as { readonly [key: string]: ParameterValue }).flatMap(textsOf);
}

/** `…/assets/<image>/<file>`: what a link of the current version stands for. */
function isUnversioned(text: string, image: string): boolean {
  const [, rest] = text.split(`/assets/${image}/`);
  return rest !== undefined && rest !== '' && !rest.includes('/');
}
