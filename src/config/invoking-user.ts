import { userInfo } from 'node:os';
import { join } from 'node:path';
import { TinderboxError } from '../errors.ts';
import { askGetent } from './ask-getent.ts';

/** Who typed the command: with sudo not the one that it runs as. */
export interface InvokingUser {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
  /** The command runs as root, and this is somebody else. */
  readonly throughSudo: boolean;
  /** The file that kubectl of this user would change first. */
  readonly kubeconfig: string;
}

export interface UserEnvironment {
  readonly SUDO_UID?: string | undefined;
  readonly KUBECONFIG?: string | undefined;
  readonly HOME?: string | undefined;
}

/** Throws TinderboxError `not-found` if sudo names somebody that this host does not know. */
export async function findInvokingUser(env: UserEnvironment = process.env): Promise<InvokingUser> {
  const own = userInfo();
  const sudoUid = findSudoUid(env);
  const throughSudo = sudoUid !== undefined;
  const user = throughSudo
    ? await findAccount(sudoUid)
    : { name: own.username, uid: own.uid, gid: own.gid, home: env.HOME ?? own.homedir };
  // As kubectl does: a list of files, of which empty ones do not count.
  const [first] = (env.KUBECONFIG ?? '').split(':').filter((file) => file !== '');
  return { ...user, throughSudo, kubeconfig: first ?? join(user.home, '.kube/config') };
}

/** Who ran sudo, if it was not root. */
export function findSudoUid(env: UserEnvironment = process.env): number | undefined {
  const uid = Number(env.SUDO_UID ?? '0');
  // What the environment says of sudo means something only if we have got root by it.
  return process.geteuid?.() === 0 && Number.isInteger(uid) && uid > 0 ? uid : undefined;
}

async function findAccount(uid: number): Promise<Pick<InvokingUser, 'name' | 'uid' | 'gid' | 'home'>> {
  const [name = '', , , gid = '', , home = ''] = (await askGetent('passwd', String(uid))) ?? [];
  if (name !== '' && home.startsWith('/') && /^\d+$/.test(gid)) return { name, uid, gid: Number(gid), home };
  throw new TinderboxError('not-found', `this host knows no user ${uid}, who ran sudo`, {
    remedy: 'Name the file: --file FILE.',
  });
}
