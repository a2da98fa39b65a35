import type { MenuBoot, Role } from '../machine/role.ts';
import type { RawRole } from './schema.ts';

type RawMenu = Extract<RawRole['boot'], { menu: unknown }>['menu'];
type Path = readonly (string | number)[];

/** As in other boot loaders: long enough to read some lines, short enough for a rack that nobody looks at. */
const DEFAULT_TIMEOUT = 30;

export function buildMenu(raw: RawMenu, lineOf: (path: Path) => number): MenuBoot {
  return {
    kind: 'menu',
    title: raw.title,
    timeout: raw.timeout ?? DEFAULT_TIMEOUT,
    default: raw.default ?? raw.choices[0]?.role ?? '',
    choices: raw.choices.map(({ role, label = role, key }, index) => ({
      role,
      label,
      ...(key === undefined ? {} : { key }),
      line: lineOf(['boot', 'menu', 'choices', index]),
    })),
  };
}

/** What is wrong with a menu in itself; paths are those of role.yaml. */
export function checkMenu({
  name,
  boot,
}: Pick<Role, 'name' | 'boot'>): readonly { path: Path; message: string }[] {
  if (boot.kind !== 'menu') return [];
  const { choices } = boot;
  const above = ['boot', 'menu'] as const;
  const flaws: { path: Path; message: string }[] = [];
  for (const [index, { role, key }] of choices.entries()) {
    const path = [...above, 'choices', index];
    const earlier = choices.slice(0, index);
    if (role === name) flaws.push({ path: [...path, 'role'], message: 'a menu cannot offer itself' });
    if (earlier.some((other) => other.role === role)) {
      flaws.push({ path: [...path, 'role'], message: `the role ${role} is offered twice` });
    }
    const other = key === undefined ? undefined : earlier.find((each) => each.key === key);
    if (other !== undefined) {
      const message = `the key ${key} is given to ${role} and, on line ${other.line}, to ${other.role}`;
      flaws.push({ path: [...path, 'key'], message });
    }
  }
  if (!choices.some(({ role }) => role === boot.default)) {
    const message = `the default ${boot.default} is not among the choices: ${choices.map(({ role }) => role).join(', ')}`;
    flaws.push({ path: [...above, 'default'], message });
  }
  return flaws;
}
