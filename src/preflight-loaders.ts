import { loaderFor } from './boot/choose-bootfile.ts';
import type { Config } from './config/port.ts';
import type { Problem } from './errors.ts';
import { FIRMWARE_ARCHITECTURES } from './machine/architecture.ts';
import type { Catalog } from './machine/role.ts';

/**
 * In proxy mode a GRUB, and the one that a shim loads, takes its server from the reply that gave the address (seen), and
 * is silent for minutes where that one has no grub.cfg. Whether the other server names us, nobody here can see. By HTTP
 * boot the URL says where it came from.
 */
export function checkProxyLoaders(
  { dhcp, loaders, file }: Pick<Config, 'dhcp' | 'loaders' | 'file'>,
  catalog: Pick<Catalog, 'roles'> | undefined,
): readonly Problem[] {
  if (dhcp.mode !== 'proxy') return [];
  const named = [
    { loaders, file, who: 'loaders' },
    ...[...(catalog?.roles.values() ?? [])].map((role) => ({
      loaders: role.loaders ?? new Map<string, string>(),
      file: role.file,
      who: `role ${role.name}`,
    })),
  ];
  return named.flatMap((one): readonly Problem[] => {
    const grub = FIRMWARE_ARCHITECTURES.filter(({ transport }) => transport === 'tftp')
      .map((architecture) => loaderFor(architecture, one.loaders))
      .find((loader) => loader !== undefined && isGrubOrShim(loader));
    if (grub === undefined) return [];
    return [
      {
        severity: 'warning',
        file: one.file,
        message: `${one.who}: with dhcp.mode: proxy, the GRUB of ${grub} asks the other DHCP server for grub.cfg, and not this one`,
        remedy:
          'Have that server name this one as next server (next-server; of dnsmasq dhcp-boot=,,ADDRESS), or use dhcp.mode: server. If it does, this is well.',
      },
    ];
  });
}

/** A shim loads one. */
export function isGrubOrShim(file: string): boolean {
  return /(^|\/)(grub|shim)[^/]*$/i.test(file);
}
