import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Of the user and the group that the unit runs the service as. */
export interface ServiceAccount {
  readonly uid: number;
  readonly gid: number;
}

const SERVICE_NAME = 'tinderbox';

/** Undefined where there is no such user or no such group: a clone that nobody installed. */
export async function findServiceAccount(): Promise<ServiceAccount | undefined> {
  const [uid, gid] = await Promise.all([askFor('passwd'), askFor('group')]);
  return uid === undefined || gid === undefined ? undefined : { uid, gid };
}

/** By getent: accounts may come from elsewhere than /etc/passwd. The third field is the number, of both. */
async function askFor(database: 'passwd' | 'group'): Promise<number | undefined> {
  try {
    const { stdout } = await promisify(execFile)('getent', [database, SERVICE_NAME], { timeout: 10_000 });
    const text = stdout.split(':')[2] ?? '';
    return /^\d+$/.test(text) ? Number(text) : undefined;
  } catch {
    return undefined;
  }
}
