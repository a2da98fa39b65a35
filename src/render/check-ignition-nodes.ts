import { checkResource } from './check-ignition-resource.ts';
import type { ConfigProblem } from './cloud-config-schema.ts';
import type { IgnitionConfig, IgnitionNode, IgnitionOwner } from './ignition-config.ts';

type Kind = 'files' | 'directories' | 'links';
interface Placed {
  readonly kind: Kind;
  readonly index: number;
  readonly node: IgnitionNode;
}

/** Files, directories and links: where they are, what they are made of, and that no two are in each other's way. */
export function checkNodes(
  { storage = {}, systemd = {} }: IgnitionConfig,
  minor: number,
): readonly ConfigProblem[] {
  const { files = [], directories = [], links = [] } = storage;
  const problems: ConfigProblem[] = [];
  const placed: Placed[] = [
    ...files.map((node, index) => ({ kind: 'files' as const, index, node })),
    ...directories.map((node, index) => ({ kind: 'directories' as const, index, node })),
    ...links.map((node, index) => ({ kind: 'links' as const, index, node })),
  ];
  const complain = ({ kind, index }: Placed, message: string, ...field: readonly (string | number)[]) =>
    problems.push({ path: ['storage', kind, index, ...field], message });

  const byPath = new Map<string, Placed>();
  for (const each of placed) {
    const { kind, node } = each;
    const wrong = describeWrongPath(node.path);
    if (wrong !== undefined) complain(each, wrong, 'path');
    else if (node.path === '/' && kind !== 'directories') complain(each, '`/` is a directory', 'path');
    const earlier = byPath.get(node.path);
    if (earlier === undefined) byPath.set(node.path, each);
    else complain(each, `\`${node.path}\` stands in ${earlier.kind}[${earlier.index}] already`, 'path');
    for (const owner of ['user', 'group'] as const) {
      const fault = describeWrongOwner(node[owner]);
      if (fault !== undefined) complain(each, fault, owner);
    }
  }
  for (const each of placed) {
    for (const parent of parentsOf(each.node.path)) {
      const above = byPath.get(parent);
      if (above === undefined || above.kind === 'directories') continue;
      const what = above.kind === 'links' ? 'a link' : 'a file';
      complain(each, `\`${parent}\` above it is ${what} (${above.kind}[${above.index}])`, 'path');
    }
  }

  const units = unitPaths(systemd.units ?? []);
  for (const each of placed) {
    if (units.has(each.node.path))
      complain(each, `\`${each.node.path}\` is written by systemd.units`, 'path');
  }

  for (const [index, file] of files.entries()) {
    const { contents = {}, append = [], overwrite } = file;
    const path = ['storage', 'files', index];
    problems.push(...checkMode(file.mode, path, minor));
    problems.push(...checkResource(contents, [...path, 'contents'], { minor }));
    if (overwrite === true && contents.source === undefined)
      problems.push({
        path: [...path, 'overwrite'],
        message: 'what overwrites a file has contents with a source',
      });
    for (const [part, fragment] of append.entries())
      problems.push(...checkResource(fragment, [...path, 'append', part], { minor, isNeeded: true }));
  }
  for (const [index, { mode }] of directories.entries())
    problems.push(...checkMode(mode, ['storage', 'directories', index], minor));
  for (const [index, { path, target, hard }] of links.entries()) {
    const at = ['storage', 'links', index, 'target'];
    if (target === '') problems.push({ path: at, message: 'the target is empty' });
    else if (/\0/.test(target)) problems.push({ path: at, message: 'the target holds a NUL' });
    if (hard !== true) continue;
    const absolute = target.startsWith('/') ? target : `${path.replace(/[^/]*$/, '')}${target}`;
    if (byPath.get(absolute)?.kind === 'directories')
      problems.push({ path: at, message: 'a directory has no hard links' });
    if (links[index]?.user !== undefined || links[index]?.group !== undefined)
      problems.push({ path: ['storage', 'links', index], message: 'a hard link has no owner of its own' });
  }
  return problems;
}

/** Absolute, and as Go's path.Clean leaves it. */
export function describeWrongPath(path: string): string | undefined {
  if (path === '') return 'the path is empty';
  // oxlint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'the path holds a control character';
  if (!path.startsWith('/')) return `\`${path}\` is no absolute path`;
  if (path === '/') return undefined;
  const isClean = path
    .slice(1)
    .split('/')
    .every((part) => part !== '' && part !== '.' && part !== '..');
  return isClean ? undefined : `\`${path}\` has an empty part, \`.\` or \`..\` in it`;
}

function describeWrongOwner(owner: IgnitionOwner | undefined): string | undefined {
  if (owner === undefined) return undefined;
  if (owner.id !== undefined && owner.name !== undefined) return 'an owner has an id or a name, not both';
  return owner.name === '' ? 'the name is empty' : undefined;
}

function checkMode(
  mode: number | undefined,
  path: ConfigProblem['path'],
  minor: number,
): readonly ConfigProblem[] {
  const wrong = mode === undefined ? undefined : describeWrongMode(mode, minor);
  return wrong === undefined ? [] : [{ path: [...path, 'mode'], message: wrong }];
}

/** Who writes 644 where 0644 is meant gets `--w----r-T`. */
function describeWrongMode(mode: number, minor: number): string | undefined {
  const meant = /^[0-7]{3,4}$/.test(String(mode)) ? Number.parseInt(String(mode), 8) : undefined;
  if (meant !== undefined && isUsual(meant) && !isUsual(mode)) {
    return `${mode} is read as a decimal number, which means 0${mode.toString(8)}; 0${meant.toString(8)} is ${meant} in JSON, and written with its 0 in YAML`;
  }
  if (mode > 0o7777) return `${mode} is no mode: it ends at 4095 (07777)`;
  if (mode > 0o777 && minor < 4) return 'setuid, setgid and sticky are dropped before version 3.4.0';
  return undefined;
}

/** The owner may read, and others do not have more than those before them. */
function isUsual(mode: number): boolean {
  const [user, group, other] = [(mode >> 6) & 7, (mode >> 3) & 7, mode & 7];
  return mode <= 0o7777 && (user & 4) !== 0 && (group & ~user) === 0 && (other & ~group) === 0;
}

function parentsOf(path: string): readonly string[] {
  const parts = path.split('/');
  return parts.slice(2).map((_, index) => parts.slice(0, index + 2).join('/'));
}

function unitPaths(units: NonNullable<NonNullable<IgnitionConfig['systemd']>['units']>): ReadonlySet<string> {
  return new Set(
    units.flatMap(({ name, contents = '', dropins = [] }) => [
      ...(contents === '' ? [] : [`/etc/systemd/system/${name}`]),
      ...dropins.map((dropin) => `/etc/systemd/system/${name}.d/${dropin.name}`),
    ]),
  );
}
