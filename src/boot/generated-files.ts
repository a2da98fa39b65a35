/** What a name means that no file need be there for. */
export type GeneratedFile =
  /** The loop that asks for the machine's own script, in GRUB's language or iPXE's. */
  | { readonly kind: 'grub-bootstrap' | 'ipxe-bootstrap' }
  /** This machine's script; `query` says who it is, as for `/ipxe`. */
  | { readonly kind: 'grub-script'; readonly query: string }
  /** What a loader looks for and does without. */
  | { readonly kind: 'optional' };

/** Folders deep that GRUB's prefix may be: `EFI/debian/x86_64-efi`. */
const DEEPEST = 4;

/**
 * What a loader asks for beside its own file, wherever its prefix is: GRUB's `$prefix` is compiled in (`/grub` for
 * Debian's and Ubuntu's, `/EFI/fedora` for Fedora's), a shim and an iPXE look in the folder that they came from. Names
 * as TFTP has them: relative, normalised; `?` begins a query. Undefined: no such name.
 */
export function generatedFile(name: string): GeneratedFile | undefined {
  const [path = '', ...rest] = name.split('?');
  const parts = path.split('/');
  const file = parts.at(-1) ?? '';
  if (parts.length > DEEPEST) return undefined;
  if (file === 'grub.cfg') {
    return rest.length === 0 ? { kind: 'grub-bootstrap' } : { kind: 'grub-script', query: rest.join('?') };
  }
  if (rest.length > 0) return undefined;
  if (file === 'autoexec.ipxe') return { kind: 'ipxe-bootstrap' };
  return isOptional(file) ? { kind: 'optional' } : undefined;
}

/**
 * GRUB: `command.lst` and its like, modules that are not built in, fonts, and `grub.cfg-01-52-54-…` and
 * `grub.cfg-0A4D0064` before `grub.cfg` (Fedora's, Ubuntu's). shim 15.8 and later: `revocations.efi`,
 * `shim_certificate.efi`.
 */
function isOptional(file: string): boolean {
  return (
    /^(command|fs|crypto|terminal|partmap|parttool|video|fdt)\.lst$/.test(file) ||
    /^grub\.cfg-[0-9A-Fa-f-]+$/.test(file) ||
    /^[a-z0-9_]+\.mod$/.test(file) ||
    /^(revocations(_sbat|_sku)?|shim_certificate(_\d+)?|fb(x64|aa64|ia32))\.efi$/.test(file) ||
    /\.(pf2|mo|gmo)$/.test(file) ||
    file === 'grubenv' ||
    file === 'custom.cfg'
  );
}

/** Whether a name that TFTP served is a loader's: neither made up for one, nor what one goes on to load. */
export function isLoaderName(name: string): boolean {
  const relative = name.replace(/^\/+/, '');
  return generatedFile(relative) === undefined && !relative.startsWith('assets/');
}
