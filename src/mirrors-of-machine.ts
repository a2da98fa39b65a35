import { type AssetMirror, type ChosenMirrors, chooseMirrors, mirrorsNear } from './boot/choose-mirrors.ts';
import type { ScriptLoader } from './http/port.ts';
import type { MachineFacts } from './machine/facts.ts';
import type { BootFiles } from './render/render-boot-files.ts';

export interface MirrorQuestion {
  readonly mirrors: readonly AssetMirror[];
  readonly facts: Pick<MachineFacts, 'mac' | 'relay' | 'address'>;
  /** What its role has it load; undefined: that is not asked about, as for a configuration. */
  readonly files: BootFiles | undefined;
  /** Who reads the script; undefined: nobody, or iPXE. */
  readonly loader?: ScriptLoader | undefined;
  /** As MirrorWatch has it; absent: all of them do well. */
  readonly troubleOf?: ((mirror: AssetMirror, paths: readonly string[]) => string | undefined) | undefined;
}

/** Where a machine fetches from, but for here. A role that loads nothing from /assets needs no mirror. */
export function mirrorsOfMachine({
  mirrors,
  facts,
  files,
  loader,
  troubleOf,
}: MirrorQuestion): ChosenMirrors {
  const near = mirrorsNear(mirrors, facts);
  if (near.length === 0) return { urls: [], reasons: [] };
  const wanted =
    files === undefined ? [] : [files.kernel, ...files.initrd].filter((path) => path.startsWith('/assets/'));
  if (files !== undefined && wanted.length === 0) return { urls: [], reasons: [] };
  return chooseMirrors(near, facts, (mirror) => {
    if (loader === 'grub-tftp') return 'this GRUB has no HTTP';
    if (loader === 'grub-http' && mirror.url.startsWith('https:')) return 'GRUB knows no https';
    return troubleOf?.(mirror, wanted);
  });
}
