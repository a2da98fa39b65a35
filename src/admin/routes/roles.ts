import type { FastifyInstance } from 'fastify';
import { TinderboxError } from '../../errors.ts';
import { readMac } from '../parse-request.ts';
import type { AdminServerOptions } from '../port.ts';

type Preview = { Params: { mac: string }; Querystring: { role?: unknown } };

/** What roles there are, and what a machine would be served. */
export function addRoleRoutes(app: FastifyInstance, { roles }: AdminServerOptions): void {
  app.get('/api/v1/roles', () => roles.list());
  app.get<{ Params: { name: string } }>('/api/v1/roles/:name', ({ params }) => roles.show(params.name));
  app.get<Preview>('/api/v1/machines/:mac/preview', ({ params, query }) =>
    roles.preview(readMac(params.mac), readRole(query.role)),
  );
}

function readRole(value: unknown): string | undefined {
  if (value === undefined || typeof value === 'string') return value;
  throw new TinderboxError('usage', 'role is given more than once');
}
