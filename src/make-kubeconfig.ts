import { chmod, mkdir, readFile, stat, unlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { writeFileAtomically } from './catalog/write-file-atomically.ts';
import { limitLifetime, readClusterAuthorities, requireCluster } from './cluster-authorities.ts';
import type { Config } from './config/port.ts';
import { decodeText } from './document/decode-text.ts';
import { type KubeconfigNames, openKubeconfig } from './document/merge-kubeconfig.ts';
import { planKubeconfig } from './document/plan-kubeconfig.ts';
import { TinderboxError } from './errors.ts';
import { administratorEntitlement } from './pki/entitled-certificates.ts';

const DAY = 24 * 60 * 60 * 1000;

export interface KubeconfigOptions {
  /** The certificate's CN. */
  readonly user: string;
  readonly file: string;
  /** Absent: the profile's. */
  readonly days?: number;
  /** Absent: `<user>@<cluster>`. Also names the entry of the cluster. */
  readonly context?: string;
  readonly replace: boolean;
  /** Called once the authorities are read: to go on with fewer rights. */
  readonly dropRights?: () => void;
  readonly clock?: () => number;
}

export interface KubeconfigResult extends KubeconfigNames {
  readonly file: string;
  readonly changed: boolean;
  readonly reason: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
  readonly currentContext: string;
}

/**
 * Gives a person the cluster: a key that is made here, certified by the Kubernetes authority, in their kubeconfig. Run
 * twice it changes nothing. Throws TinderboxError: `usage` on a name or a number of days that cannot be, `in-use` if
 * the file has another cluster under the name, `invalid-config` if it is broken, `busy` if kubectl is writing it,
 * `refused` without the right to read the authorities or to write the file.
 */
export async function makeKubeconfig(config: Config, options: KubeconfigOptions): Promise<KubeconfigResult> {
  const { user, file, days, replace, clock = Date.now } = options;
  const cluster = requireCluster(config);
  const entitlement = administratorEntitlement(user);
  const lifetime = Math.min(entitlement.lifetime, (days ?? Number.POSITIVE_INFINITY) * DAY);
  const authorities = await readClusterAuthorities(config, clock);
  options.dropRights?.();

  const clusterName = options.context ?? cluster.name;
  const names: KubeconfigNames = {
    cluster: clusterName,
    user: `${user}@${clusterName}`,
    context: options.context ?? `${user}@${clusterName}`,
  };
  return await withLock(file, async () => {
    const kubeconfig = openKubeconfig(file, await readExisting(file));
    const found = kubeconfig.find(names);
    const plan = planKubeconfig(found, {
      names,
      file,
      user,
      server: cluster.apiServer,
      authority: authorities.trustOf('kubernetes'),
      lifetime,
      shorter: days !== undefined,
      replace,
      now: clock(),
    });
    const result = { ...names, file, currentContext: found.currentContext || names.context };
    if (plan.kind === 'keep') {
      await closeToOthers(file);
      return { ...result, changed: false, reason: 'what is there is right', notAfter: plan.notAfter };
    }
    const issued = await limitLifetime(authorities, days).issue(entitlement);
    const text = kubeconfig.merge(names, {
      server: cluster.apiServer,
      authority: authorities.trustOf('kubernetes'),
      certificate: issued.certificatePem,
      key: issued.keyPem,
    });
    const owner = await stat(dirname(file));
    await writeFileAtomically(file, text, { mode: 0o600, owner });
    return { ...result, changed: true, reason: plan.reason, notAfter: issued.notAfter };
  }).catch((thrown: unknown) => {
    throw explain(thrown, file);
  });
}

/** kubectl takes the same lock, and leaves the file alone while it is there. */
async function withLock<T>(file: string, job: () => Promise<T>): Promise<T> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const lock = `${file}.lock`;
  try {
    await writeFile(lock, '', { flag: 'wx', mode: 0o600 });
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    throw new TinderboxError('busy', `${lock} is there: somebody else is writing ${file}`, {
      remedy: `Try again; if nobody is, remove it: rm ${lock}`,
    });
  }
  try {
    return await job();
  } finally {
    await unlink(lock).catch(() => undefined);
  }
}

async function readExisting(file: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw thrown;
  }
  const decoded = decodeText(bytes, file);
  if ('text' in decoded) return decoded.text;
  throw new TinderboxError('invalid-config', `${file} is no kubeconfig, and stays as it is`, {
    problems: [decoded.problem],
  });
}

async function closeToOthers(file: string): Promise<void> {
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) await chmod(file, mode & 0o700);
}

function explain(thrown: unknown, file: string): unknown {
  const { code } = thrown as NodeJS.ErrnoException;
  if (thrown instanceof TinderboxError || code === undefined) return thrown;
  const refused = ['EACCES', 'EPERM', 'EROFS', 'EISDIR', 'ENOTDIR'].includes(code);
  return new TinderboxError(refused ? 'refused' : 'unavailable', `${file} cannot be written (${code})`, {
    cause: thrown,
    remedy: 'Name a file that you may write: --file FILE.',
  });
}
