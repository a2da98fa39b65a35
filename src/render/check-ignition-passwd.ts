import type { ConfigProblem } from './cloud-config-schema.ts';
import { findRepeated } from './find-repeated.ts';
import type { IgnitionConfig, IgnitionUser } from './ignition-config.ts';

type Path = ConfigProblem['path'];

/** useradd(8) of the systems that run Ignition. */
const NAME = /^[A-Za-z_][A-Za-z0-9_.-]{0,30}\$?$/;
/** crypt(5), with the marks of passwd(1) before it; or what no password matches. */
const HASH = /^(!{0,2}|\*|!{0,2}\$[\x21-\x39\x3b-\x7e]+|[./0-9A-Za-z]{13})$/;
/** sshd(8), AUTHORIZED_KEYS FILE FORMAT: options, type, base64, comment. */
const SSH_KEY =
  /^(?:\S.*\s)?(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com|[a-z0-9-]+-cert-v01@openssh\.com)\s+[A-Za-z0-9+/]+={0,2}(?:\s[^\n]*)?$/;

const at = (...path: Path) => ['passwd', ...path];

/** Users and groups. Ignition hands them to useradd and groupadd, which fail at boot. */
export function checkPasswd({
  users = [],
  groups = [],
}: NonNullable<IgnitionConfig['passwd']>): readonly ConfigProblem[] {
  return [
    ...users.flatMap((user, index) => checkUser(user, at('users', index))),
    ...findRepeated(users, ({ name }) => name, at('users'), 'name'),
    ...findRepeated(users, ({ uid }) => uid, at('users'), 'uid'),
    ...groups.flatMap((group, index) => checkAccount(group, at('groups', index))),
    ...findRepeated(groups, ({ name }) => name, at('groups'), 'name'),
    ...findRepeated(groups, ({ gid }) => gid, at('groups'), 'gid'),
  ];
}

function checkAccount(
  { name, passwordHash }: { readonly name: string; readonly passwordHash?: string },
  path: Path,
): readonly ConfigProblem[] {
  return [
    ...(NAME.test(name)
      ? []
      : [{ path: [...path, 'name'], message: 'a name is of letters, digits, `_` and `-`, at most 32' }]),
    ...(HASH.test(passwordHash ?? '')
      ? []
      : [
          { path: [...path, 'passwordHash'], message: 'this is no hash of crypt(5): make one with mkpasswd' },
        ]),
  ];
}

function checkUser(user: IgnitionUser, path: Path): readonly ConfigProblem[] {
  const { groups = [], sshAuthorizedKeys = [], homeDir, shell, gecos = '', primaryGroup } = user;
  const problems: ConfigProblem[] = [...checkAccount(user, path)];
  const complain = (message: string, ...field: Path) => problems.push({ path: [...path, ...field], message });
  for (const [name, value] of Object.entries({ homeDir, shell })) {
    if (value !== undefined && !/^(\/[^:\s]*)?$/.test(value)) complain('this is no absolute path', name);
  }
  // passwd(5): a colon ends a field.
  if (/[:\n]/.test(gecos)) complain('a comment has no colon and no line break', 'gecos');
  for (const [index, group] of groups.entries()) {
    if (!NAME.test(group)) complain('this is no name of a group', 'groups', index);
  }
  if (primaryGroup !== undefined && primaryGroup !== '' && !NAME.test(primaryGroup))
    complain('this is no name of a group', 'primaryGroup');
  for (const [index, key] of sshAuthorizedKeys.entries()) {
    if (!SSH_KEY.test(key))
      complain(
        'this is no line of authorized_keys: type, key in base64, comment',
        'sshAuthorizedKeys',
        index,
      );
  }
  return [
    ...problems,
    ...findRepeated(groups, (group) => group, [...path, 'groups']),
    ...findRepeated(sshAuthorizedKeys, (key) => key, [...path, 'sshAuthorizedKeys']),
  ];
}
