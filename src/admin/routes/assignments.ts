import type { FastifyInstance } from 'fastify';
import { readApproval, readAssignment, readForget, readSigningToken } from '../parse-request.ts';
import type { AdminServerOptions } from '../port.ts';

/** Who boots what, and what a machine may have signed. */
export function addAssignmentRoutes(app: FastifyInstance, options: AdminServerOptions): void {
  app.post('/api/v1/assign', (request) => options.assign(readAssignment(request.body)));
  app.post('/api/v1/approve', (request) => options.approve(readApproval(request.body)));
  app.post('/api/v1/forget', (request) => options.forget(readForget(request.body)));
  app.get('/api/v1/admissions', async () => ({
    admissions: await options.store.listAdmissions(),
    onceUses: await options.store.listOnceUses(),
  }));
  app.post<{ Params: { mac: string } }>(
    '/api/v1/machines/:mac/signing-token',
    async ({ params, body }, reply) => {
      void reply.header('cache-control', 'no-store');
      return options.makeSigningToken(readSigningToken(params.mac, body));
    },
  );
}
