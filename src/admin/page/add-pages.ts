import type { FastifyInstance } from 'fastify';
import { ownPath } from '../access/own-path.ts';
import type { EventStreams } from '../event-stream.ts';
import type { AdminServerOptions } from '../port.ts';
import { addFleet } from './add-fleet.ts';
import { addAuditPages } from './audit-page.ts';
import { addHealthPages } from './health-page.ts';
import { addMachinePages } from './machine-page.ts';
import { addQueuePages } from './queue-page.ts';
import type { Pages } from './render-page.ts';
import { addRolePages } from './roles-page.ts';
import { addStaticFiles } from './static-files.ts';

/**
 * All HTML pages, and what they load from here. Whoever calls this guards them: nothing here asks who somebody is.
 */
export function addPages(
  app: FastifyInstance,
  options: AdminServerOptions,
  streams: EventStreams,
  pages: Pages,
): void {
  addStaticFiles(app, pages.files);
  addFleet(app, options, pages, streams);
  app.get('/login', (request, reply) => {
    const { next } = request.query as { readonly next?: unknown };
    return pages.send(reply, 'login', { title: 'Sign in' }, { next: ownPath(next), failed: undefined });
  });
  addMachinePages(app, options, pages, streams);
  addQueuePages(app, options, pages);
  addRolePages(app, options, pages);
  addHealthPages(app, options, pages);
  addAuditPages(app, options, pages);
}
