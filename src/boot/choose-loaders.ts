import { FIRMWARE_ARCHITECTURES } from '../machine/architecture.ts';
import type { MachineFacts } from '../machine/facts.ts';
import type { OnceUses } from '../machine/once.ts';
import type { Catalog, Role } from '../machine/role.ts';
import { chooseRole } from './choose-role.ts';

export type Loaders = ReadonlyMap<string, string>;

/** What `secureBoot: true` stands for: the shim of each UEFI architecture, as Debian names it. It loads GRUB. */
export const SHIMS: Loaders = new Map([
  ['uefi-x86', 'shimia32.efi'],
  ['uefi-x64', 'shimx64.efi'],
  ['uefi-arm64', 'shimaa64.efi'],
]);

/** `secureBoot` and `loaders` as they are written, as one; `claimed`: the architectures that both give a loader. */
export function joinLoaders(
  secureBoot: boolean | undefined,
  written: Readonly<Record<string, string | undefined>> | undefined,
): { readonly loaders: Loaders; readonly claimed: readonly string[] } {
  const named = Object.entries(written ?? {}).filter(
    (pair): pair is [string, string] => pair[1] !== undefined,
  );
  if (secureBoot !== true) return { loaders: new Map(named), claimed: [] };
  const claimed = named
    .filter(([name, file]) =>
      [name, name.replace(/-http$/, '')].some((each) => (SHIMS.get(each) ?? file) !== file),
    )
    .map(([name]) => name);
  return { loaders: new Map([...SHIMS, ...named]), claimed };
}

/** Why both at once are an error. */
export function explainClaim(name: string, file: string): string {
  const shim = SHIMS.get(name) ?? SHIMS.get(name.replace(/-http$/, ''));
  return `two loaders claim ${name}: ${file}, and by secureBoot ${shim}`;
}

/** The loaders of a machine's role, as far as DHCP shows which that is. */
export interface RoleLoaders {
  readonly role: string;
  readonly loaders: Loaders;
  /** Why it has the role. */
  readonly reasons: readonly string[];
}

/** Undefined: its role has none of its own. `facts`: what DHCP knows, and nothing else (DHCP_FACTS). */
export function chooseLoaders(
  facts: MachineFacts,
  catalog: Catalog,
  uses: OnceUses,
): RoleLoaders | undefined {
  const { role, reasons } = chooseRole(facts, catalog, uses);
  if (role?.loaders === undefined) return undefined;
  return { role: role.name, loaders: role.loaders, reasons };
}

/** The files that roles name, for who has to find them. */
export function filesOfRoles(catalog: Pick<Catalog, 'roles'>): readonly string[] {
  return [...new Set([...catalog.roles.values()].flatMap(({ loaders }) => [...(loaders?.values() ?? [])]))];
}

/** Whether machines of the two get the same loader, whatever their firmware is. */
export function haveSameLoaders(one: Role | undefined, other: Role | undefined): boolean {
  return FIRMWARE_ARCHITECTURES.every(
    (architecture) => one?.loaders?.get(architecture.name) === other?.loaders?.get(architecture.name),
  );
}
