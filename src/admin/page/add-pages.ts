import type { FastifyInstance } from 'fastify';
import type { EventStreams } from '../event-stream.ts';
import type { AdminServerOptions } from '../port.ts';
import { addAuditPages } from './audit-page.ts';
import { addHealthPages } from './health-page.ts';
import { addMachinePages } from './machine-page.ts';
import { createPages, type Pages } from './render-page.ts';
import { addRolePages } from './roles-page.ts';
import { addStaticFiles } from './static-files.ts';

/**
 * All HTML pages, and what they load from here. Whoever calls this guards them: nothing here asks who somebody is.
 * Returns how pages are rendered, for what is refused before a route is reached.
 */
export function addPages(app: FastifyInstance, options: AdminServerOptions, streams: EventStreams): Pages {
  const pages = createPages(options.clock);
  addStaticFiles(app, pages.files);
  app.get('/login', (request, reply) => {
    const { next } = request.query as { readonly next?: unknown };
    return pages.send(reply, 'login', { title: 'Sign in' }, { next: ownPath(next), failed: undefined });
  });
  addMachinePages(app, options, pages, streams);
  addRolePages(app, options, pages);
  addHealthPages(app, options, pages);
  addAuditPages(app, options, pages);
  return pages;
}

/** Where to go after signing in: a path of this server, since a link may have brought anything here. */
export function ownPath(next: unknown): string {
  return typeof next === 'string' && /^\/(?![/\\])[\x21-\x7e]*$/.test(next) ? next : '/';
}
