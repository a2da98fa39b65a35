import { resolve } from 'node:path';
import type { Config } from '../config/port.ts';
import type { Catalog } from '../machine/role.ts';
import { type RenderedRole, type RenderRoleOptions, renderRole } from '../render-role.ts';
import type { CliContext } from './context.ts';
import { usageError } from './exit.ts';
import { requireAddress } from './require-address.ts';
import { requireHostname } from './require-hostname.ts';

export interface RoleFlags {
  readonly role?: string;
  readonly out?: string;
  readonly hostname?: string;
  readonly address?: string;
  readonly parameter?: readonly string[];
  readonly force?: boolean;
  readonly only?: string;
  readonly json?: boolean;
}

interface RoleArgs extends RenderRoleOptions {
  readonly json: boolean;
}

/** What `--role` asks for; undefined without it. Throws TinderboxError `usage`; needs no files. */
export function readRoleUsage(mac: string | undefined, flags: RoleFlags): RoleArgs | undefined {
  const { role, out, hostname, address, parameter = [], force = false, only, json = false } = flags;
  if (role === undefined) {
    const rest = { out, hostname, address, parameter: flags.parameter, force: flags.force };
    const stray = Object.entries(rest).find(([, value]) => value !== undefined)?.[0];
    if (stray !== undefined)
      throw usageError(`--${stray} goes with --role`, 'tinderbox render --help has examples');
    return undefined;
  }
  if (mac !== undefined) {
    throw usageError(
      'a MAC and --role exclude each other',
      'A machine has its role from machines.yaml already.',
    );
  }
  if (out === undefined) throw usageError('--role wants a folder: --out FOLDER');
  if (only !== undefined) throw usageError('--only goes with a MAC');
  return {
    role,
    out: resolve(out),
    ...(hostname === undefined ? {} : { hostname: requireHostname(hostname) }),
    ...(address === undefined ? {} : { address: requireAddress(address) }),
    parameters: parameter,
    force,
    json,
  };
}

export async function printRole(
  config: Config,
  catalog: Catalog,
  { json, ...options }: RoleArgs,
  context: CliContext,
): Promise<void> {
  const rendered = await renderRole(config, catalog, options);
  context.out(json ? `${JSON.stringify(rendered, null, 2)}\n` : describe(rendered));
}

function describe({
  folder,
  role,
  hostname,
  address,
  files,
  written,
  removed,
  holdsKeys,
  notes,
}: RenderedRole): string {
  const what =
    written.length + removed.length === 0
      ? `${files.length} files, and nothing was changed`
      : `${files.length} files, ${written.length} of them written, ${removed.length} old ones removed`;
  return [
    `${folder}: ${role} for ${hostname} (${address}): ${what}.\n`,
    holdsKeys ? 'It holds private keys: keep it to yourself, and remove it when the host is done.\n' : '',
    ...notes.map((note) => `- ${note}\n`),
    `Read ${folder}/install.sh, then run it on the host: sudo ${folder}/install.sh\n`,
  ].join('');
}
