import type { FastifyInstance } from 'fastify';
import type { AdminServerOptions } from '../port.ts';

/** Looks at everything when nothing boots. Not a GET: it asks the network, and takes seconds. */
export function addDoctorRoutes(app: FastifyInstance, { doctor }: Pick<AdminServerOptions, 'doctor'>): void {
  app.post('/api/v1/doctor', () => doctor());
}
