import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { parseMac } from '../../machine/mac.ts';
import type { RoleView } from '../explain-api.ts';
import type { AdminServerOptions } from '../port.ts';
import { type Refusal, servedModel } from './machine-extras.ts';
import { problemRows } from './problem-rows.ts';
import type { Pages } from './render-page.ts';
import { sourceOf } from './source-model.ts';

/** `/roles` and `/roles/:name`: what machines can become, what is wrong with it, and who uses it. */
export function addRolePages(app: FastifyInstance, options: AdminServerOptions, pages: Pages): void {
  app.get('/roles', async (_request, reply) => {
    const { roles, problems } = await options.roles.list();
    return pages.send(
      reply,
      'role-list',
      { title: 'Roles', section: 'roles' },
      {
        roles: roles
          .toSorted((a, b) => Number(hasError(b.problems)) - Number(hasError(a.problems)))
          .map((role) => ({ ...role, ...stateOf(role) })),
        problems: problemRows(problems),
        broken: hasError(problems),
      },
    );
  });

  app.get<{ Params: { name: string } }>('/roles/:name', async (request, reply) => {
    const role = await options.roles.show(request.params.name);
    const { machine = '' } = request.query as { readonly machine?: unknown };
    const wanted = typeof machine === 'string' ? machine.trim().slice(0, 64) : '';
    const sources = role.files.map((file) => sourceOf(file, join(role.folder, file.name), role.problems));
    const places = new Map(
      sources.flatMap(({ id, lines }) =>
        lines.flatMap(({ number, problems }) =>
          problems.map((problem) => [keyOf(problem), `#${id}-${number}`] as const),
        ),
      ),
    );
    const isSound = sources.every(({ open }) => !open);
    return pages.send(
      reply,
      'role',
      { title: role.name, section: 'roles' },
      {
        ...role,
        ...stateOf(role),
        // What is broken is what one came for; of a sound role the first file, role.yaml.
        sources: sources
          .map((source, index) => ({ ...source, open: source.open || (isSound && index === 0) }))
          .toSorted((a, b) => Number(!a.open) - Number(!b.open)),
        usedBy: role.usedBy.map(({ mac, hostname }) => ({ mac, hostname })),
        more: Math.max(0, role.machines - role.usedBy.length),
        problems: problemRows(role.problems).map((problem) => ({
          ...problem,
          href: places.get(keyOf(problem)),
        })),
        broken: hasError(role.problems),
        machine: wanted,
        isPreview: wanted !== '',
        ...(await preview(options, wanted, role.name)),
      },
    );
  });
}

async function preview(options: AdminServerOptions, machine: string, role: string): Promise<object> {
  if (machine === '') return { served: undefined, notServed: undefined };
  const mac = parseMac(machine);
  if (mac === undefined) {
    const message = `"${machine}" is no MAC`;
    return {
      served: undefined,
      notServed: { message, remedy: 'Write it as 52:54:00:12:34:56.', problems: [] } satisfies Refusal,
    };
  }
  const { served, refusal } = await servedModel(options, mac, role);
  return { served, notServed: refusal };
}

function stateOf({ problems }: Pick<RoleView, 'problems'>): { readonly word: string; readonly tone: string } {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  if (errors > 0) return { word: errors === 1 ? '1 error' : `${errors} errors`, tone: 'bad' };
  if (problems.length > 0) return { word: 'warnings', tone: 'warn' };
  return { word: 'sound', tone: 'good' };
}

const hasError = (problems: RoleView['problems']): boolean =>
  problems.some(({ severity }) => severity === 'error');

const keyOf = ({ message, line }: { readonly message: string; readonly line: number | undefined }): string =>
  `${line}:${message}`;
