import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { Parameters, Role } from '../../../src/machine/role.ts';
import type { TemplateContext } from '../../../src/render/context.ts';
import { type ClusterContext, type IdentityContext, noIdentity } from '../../../src/render/context.ts';
import { renderConfig } from '../../../src/render/render-config.ts';
import { contextOf, readShippedRole } from '../../render/read-shipped-role.ts';
import type { CloudConfig } from './cloud-config.ts';

export const PROFILES = join(import.meta.dirname, '../../../profiles');

/** The roles that ship, by name. */
export const SHIPPED_ROLES: ReadonlyMap<string, Role> = new Map(
  readdirSync(PROFILES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && entry.name !== 'partials')
    .map(({ name }) => [name, readShippedRole(PROFILES, name)]),
);

export function shippedRole(name: string): Role {
  const role = SHIPPED_ROLES.get(name);
  if (role === undefined) throw new Error(`no role ${name} ships`);
  return role;
}

export interface RenderOptions {
  /** Absent: the machine gets no certificates. */
  readonly identity?: IdentityContext;
  /** Absent: the one of contextOf; null: tinderbox.yaml has no `cluster:`. */
  readonly cluster?: Partial<ClusterContext> | null;
  /** Those that differ from the role's defaults. */
  readonly parameters?: Parameters;
  readonly machine?: Partial<TemplateContext['machine']>;
  readonly server?: Partial<TemplateContext['server']>;
}

export function roleContext(role: Role, options: RenderOptions = {}): TemplateContext {
  const { cluster, ...context } = contextOf(role);
  const machine = { ...context.machine, ...options.machine };
  return {
    ...context,
    ...(options.cluster === null || cluster === undefined
      ? {}
      : { cluster: { ...cluster, ...options.cluster } }),
    machine,
    server: { ...context.server, ...options.server },
    parameters: { ...role.parameters, ...options.parameters },
    identity: identityOf(role, options.identity ?? noIdentity(machine.hostname)),
  };
}

/** As entitlementsOf does: a role sees the certificates that it says it uses. */
function identityOf({ credentials }: Role, identity: IdentityContext): IdentityContext {
  const used = credentials.certificates;
  if (used === undefined) return identity;
  return { ...identity, certificates: identity.certificates.filter(({ name }) => used.includes(name)) };
}

/** A configuration as it would be served: rendered, held to the strict schema, read as YAML 1.1, as the machine does. */
export function renderRole(role: string | Role, options: RenderOptions = {}): CloudConfig {
  return parseConfig(renderText(role, options));
}

export function renderText(given: string | Role, options: RenderOptions = {}): string {
  const role = typeof given === 'string' ? shippedRole(given) : given;
  return renderConfig(role, roleContext(role, options)).body;
}

export function parseConfig(body: string): CloudConfig {
  return parse(body, { version: '1.1' }) as CloudConfig;
}
