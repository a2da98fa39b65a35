import type { Catalog, KernelBoot, Role } from '../../src/machine/role.ts';

/** The boot block of a role that loads a kernel. */
export function kernelBootOf(role: Role | undefined): KernelBoot | undefined {
  return role?.boot.kind === 'kernel' ? role.boot : undefined;
}

export function kernelOf(catalog: Catalog, role: string): string | undefined {
  return kernelBootOf(catalog.roles.get(role))?.kernel.text;
}
