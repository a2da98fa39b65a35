import type { CloudConfigUnit, ConfigProblem } from './cloud-config-schema.ts';

/** systemd.unit(5) and systemd.network(5): what coreos-cloudinit can place. */
const SUFFIXES = [
  'service',
  'socket',
  'target',
  'timer',
  'path',
  'mount',
  'automount',
  'swap',
  'slice',
  'network',
  'netdev',
  'link',
];
const UNIT_NAME = new RegExp(`^[A-Za-z0-9:_.\\\\@-]+\\.(${SUFFIXES.join('|')})$`);

/** What systemd would refuse or ignore, without a word, when the machine is already up. */
export function checkUnits(units: readonly CloudConfigUnit[]): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const names = new Set<string>();
  for (const [index, unit] of units.entries()) {
    const complain = (message: string, ...path: readonly (string | number)[]) =>
      problems.push({ path: ['coreos', 'units', index, ...path], message });

    if (!UNIT_NAME.test(unit.name))
      complain(`\`${unit.name}\` is no unit name: it ends in .${SUFFIXES.join(', .')}`, 'name');
    if (names.has(unit.name)) complain(`unit \`${unit.name}\` stands here twice`, 'name');
    names.add(unit.name);

    if (unit.content !== undefined) checkContent(unit, unit.content, complain);
    const dropIns = new Set<string>();
    for (const [dropIndex, { name }] of (unit.drop_ins ?? []).entries()) {
      if (!/^[A-Za-z0-9:_.@-]+\.conf$/.test(name))
        complain(`\`${name}\` is ignored: a drop-in ends in .conf`, 'drop_ins', dropIndex, 'name');
      if (dropIns.has(name)) complain(`drop-in \`${name}\` stands here twice`, 'drop_ins', dropIndex, 'name');
      dropIns.add(name);
    }
  }
  return problems;
}

type Complain = (message: string, ...path: readonly (string | number)[]) => void;

function checkContent(unit: CloudConfigUnit, content: string, complain: Complain): void {
  const isNetwork = /\.(network|netdev|link)$/.test(unit.name);
  if (!/^\[[A-Za-z0-9]+\]\s*$/m.test(content)) complain(`unit \`${unit.name}\` has no [Section]`, 'content');
  if (unit.enable === true && !isNetwork && !/^\[Install\]\s*$/m.test(content)) {
    complain(`unit \`${unit.name}\` has no [Install] section: \`enable: true\` does nothing`, 'enable');
  }
  if (!unit.name.endsWith('.mount')) return;
  const where = /^Where=(.*)$/m.exec(content)?.[1]?.trim();
  if (where === undefined || `${escapePath(where)}.mount` === unit.name) return;
  complain(
    `systemd refuses \`${unit.name}\`: a unit that mounts ${where} is named ${escapePath(where)}.mount`,
    'name',
  );
}

/** systemd.unit(5), "String escaping for inclusion in unit names". */
export function escapePath(path: string): string {
  const trimmed = path.replace(/^\/+|\/+$/g, '').replace(/\/+/g, '/');
  if (trimmed === '') return '-';
  return trimmed
    .replace(
      /[^A-Za-z0-9:_./]|^\./g,
      (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
    )
    .replaceAll('/', '-');
}
