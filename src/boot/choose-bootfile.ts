import type { FirmwareArchitecture } from '../machine/architecture.ts';
import type { RoleLoaders } from './choose-loaders.ts';
import type { NetworkClient } from './identify-client.ts';

/** `file`: a name to fetch by TFTP from us; `url`: a whole URL; `none`: a refusal, with what the operator can do. */
export type BootfileDecision =
  | { readonly kind: 'file' | 'url'; readonly value: string; readonly reasons: readonly string[] }
  | { readonly kind: 'none'; readonly reasons: readonly string[] };

export interface BootfileInput {
  readonly client: NetworkClient;
  /** Boot file by firmware architecture name. */
  readonly loaders: ReadonlyMap<string, string>;
  /** Those of the machine's role, which win; asked where a loader is wanted. Absent, as what it returns: there are none. */
  readonly roleLoaders?: (() => RoleLoaders | undefined) | undefined;
  /** Whether a boot file of that name can be served. */
  readonly isPresent: (file: string) => boolean;
  /** `http://10.77.0.1`, without a trailing slash. */
  readonly serverUrl: string;
}

/**
 * The loaders that need no configuration (Debian's file names). Where an architecture has none, a loader cannot be
 * guessed: the operator names it under `loaders:`. `uefi-x86` is named although no distribution builds it, so that
 * dropping the file into assets/ipxe is enough; an x64 binary would not start there.
 */
export const DEFAULT_LOADERS: ReadonlyMap<string, string> = new Map([
  ['bios', 'undionly.kpxe'],
  ['uefi-x86', 'snponly-i386.efi'],
  ['uefi-x64', 'snponly.efi'],
  ['uefi-arm64', 'snponly-arm64.efi'],
]);

const BUILT_BY_NOBODY: ReadonlySet<string> = new Set(['snponly-i386.efi', 'snponly-arm64.efi']);

/** The loader of an architecture; HTTP boot uses that of the same firmware over PXE unless it has its own. */
export function loaderFor(
  architecture: FirmwareArchitecture,
  loaders: ReadonlyMap<string, string>,
): string | undefined {
  return loaders.get(architecture.name) ?? loaders.get(architecture.name.replace(/-http$/, ''));
}

/** Which first file a network boot is sent to: our script for an iPXE that can fetch it, else a loader. */
export function chooseBootfile(input: BootfileInput): BootfileDecision {
  const { client, isPresent, serverUrl } = input;
  if (client.kind === 'ipxe' && client.fetchesScripts) {
    return {
      kind: 'url',
      value: `${serverUrl}/boot.ipxe`,
      reasons: [...client.reasons, 'iPXE: our script by HTTP'],
    };
  }
  const { architecture } = client;
  if (architecture === undefined) {
    const remedy = 'name a loader for it under `loaders:` in tinderbox.yaml if it can boot one';
    return { kind: 'none', reasons: [...client.reasons, `no known architecture: ${remedy}`] };
  }
  const { file, because } = pickLoader(architecture, input);
  if (file === undefined) {
    const remedy = `set loaders: { ${architecture.name}: FILE } and put FILE into assets/ipxe`;
    return {
      kind: 'none',
      reasons: [...client.reasons, `no loader is configured for ${architecture.label}: ${remedy}`],
    };
  }
  if (!isPresent(file)) {
    const remedy = BUILT_BY_NOBODY.has(file)
      ? 'put it into assets/ipxe, which no distribution builds, or name another under `loaders:`'
      : `put it into assets/ipxe, or install the package ${packageOf(file)}`;
    return {
      kind: 'none',
      reasons: [...client.reasons, ...because, `${file} for ${architecture.label} is missing: ${remedy}`],
    };
  }
  const why = `${architecture.label} boots ${file}`;
  if (client.transport === 'http') {
    return {
      kind: 'url',
      value: `${serverUrl}/assets/ipxe/${file}`,
      reasons: [...client.reasons, ...because, `${why} by HTTP`],
    };
  }
  return { kind: 'file', value: file, reasons: [...client.reasons, ...because, why] };
}

function pickLoader(
  architecture: FirmwareArchitecture,
  { loaders, roleLoaders }: BootfileInput,
): { readonly file: string | undefined; readonly because: readonly string[] } {
  const own = roleLoaders?.();
  const file = own === undefined ? undefined : loaderFor(architecture, own.loaders);
  if (own === undefined || file === undefined) {
    return { file: loaderFor(architecture, loaders), because: [] };
  }
  return { file, because: [...own.reasons, `the role ${own.role} has a loader of its own`] };
}

/** What Debian and Ubuntu have it in. */
export function packageOf(file: string): string {
  if (/^(shim|mm)/.test(file)) return 'shim-signed';
  const cpu = { x64: 'amd64', aa64: 'arm64', ia32: 'ia32' }[
    /^grub(x64|aa64|ia32)\.efi$/.exec(file)?.[1] ?? ''
  ];
  return cpu === undefined ? 'ipxe' : `grub-efi-${cpu}-signed`;
}
