import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export type AccountDatabase = 'passwd' | 'group';

/**
 * The fields of an account by its name or number (passwd(5), group(5)); undefined if this host does not know it. By
 * getent and not from /etc/passwd: accounts may come from a directory service.
 */
export async function askGetent(
  database: AccountDatabase,
  key: string,
): Promise<readonly string[] | undefined> {
  try {
    const { stdout } = await promisify(execFile)('getent', [database, key], { timeout: 10_000 });
    return stdout.trim().split(':');
  } catch {
    return undefined;
  }
}

/** A number without a name stays a number. */
export async function accountName(database: AccountDatabase, id: number): Promise<string> {
  const [name = ''] = (await askGetent(database, String(id))) ?? [];
  return name === '' ? String(id) : name;
}

/** Undefined if nobody has that name: digits are asked about as a number, and are none. */
export async function accountNumber(database: AccountDatabase, name: string): Promise<number | undefined> {
  const [found, , id = ''] = (await askGetent(database, name)) ?? [];
  return found === name && /^\d+$/.test(id) ? Number(id) : undefined;
}
