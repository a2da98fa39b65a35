import { generatedFile } from './boot/generated-files.ts';
import { findAsset } from './http/asset-file.ts';
import { parseAssetPath } from './http/asset-path.ts';
import type { HttpServer } from './http/port.ts';
import type { BootFiles, TftpFile, TftpFound, TftpLookup } from './servers/tftp-files.ts';

export interface TftpNames {
  readonly bootFiles: Pick<BootFiles, 'lookup' | 'read'>;
  readonly http: Pick<HttpServer, 'generate' | 'assetStage'>;
  /** The folder that `/assets` serves. */
  readonly assets: string;
}

/**
 * What TFTP serves, in this order: a file of assets/ipxe or a loader of a package; `assets/…`, as HTTP has it, for a
 * GRUB that knows no HTTP; what is made for who asks. Rejects with what the making throws.
 */
export function createTftpLookup({ bootFiles, http, assets }: TftpNames): TftpLookup {
  return async (name, asker) => {
    const own = await bootFiles.lookup(name);
    if (!('refused' in own) || own.missing !== true) return own;
    if (name.startsWith('assets/')) {
      return findOfAssets(name, (path) => http.assetStage(asker.remote, path) ?? 'asset');
    }
    // In the query, as it was sent: normalising is for paths.
    const query = asker.asked.indexOf('?');
    const file = generatedFile(query === -1 ? name : `${name.split('?', 1)[0]}${asker.asked.slice(query)}`);
    if (file === undefined) return own;
    if (file.kind === 'optional') {
      return { ...own, refused: 'no such file: loaders look for it and do without', harmless: true };
    }
    const text = await http.generate(file, asker);
    if (text === undefined) return own;
    const kind = file.kind === 'grub-script' ? 'script' : 'text';
    return { file: { bytes: Buffer.from(text), kind, name, path: MADE[kind] } };
  };

  async function findOfAssets(name: string, kindOf: (path: string) => TftpFile['kind']): Promise<TftpFound> {
    const parsed = parseAssetPath(`/${name}`);
    if (parsed.kind === 'bad') return { refused: `the path is refused: ${parsed.reason}` };
    const found = await findAsset(assets, parsed.segments);
    if (found.kind !== 'file') return { refused: found.reason, missing: found.kind === 'missing' };
    const { realPath } = found.file;
    const snapshot = await bootFiles.read(realPath);
    if ('refused' in snapshot) return snapshot;
    const kind = kindOf(`/assets/${parsed.segments.join('/')}`);
    return { file: { ...snapshot, kind, name, path: realPath } };
  }
}

/** Where they come from, for events. */
const MADE = {
  script: 'made for this machine',
  text: 'made for the address that was asked',
} as const;
