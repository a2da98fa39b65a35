import { type FastifyInstance, fastify } from 'fastify';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import type { AdminServerOptions } from './port.ts';
import { problemOf } from './problem.ts';

/** Without a route; whatever is thrown in one becomes a problem document. */
export function createApp({ logger }: Pick<AdminServerOptions, 'logger'>): FastifyInstance {
  const app = fastify({ logger: false, bodyLimit: 64 * 1024, exposeHeadRoutes: false });
  app.setNotFoundHandler(() => {
    throw new TinderboxError('not-found', 'there is nothing here', {
      remedy: 'the API starts at /api/v1/status',
    });
  });
  app.setErrorHandler((thrown, request, reply) => {
    const error = isClientFault(thrown)
      ? new TinderboxError('usage', thrown.message)
      : toTinderboxError(thrown);
    const problem = problemOf(error);
    if (problem.status >= 500) logger.error({ url: request.url, err: error }, 'a request failed');
    if (error.retryAfter !== undefined) void reply.header('retry-after', error.retryAfter);
    return reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
  });
  return app;
}

/** Fastify's own refusals (a body too large, no JSON) carry a status below 500. */
function isClientFault(thrown: unknown): thrown is Error {
  const status =
    thrown instanceof Error && !(thrown instanceof TinderboxError)
      ? (thrown as { readonly statusCode?: unknown }).statusCode
      : undefined;
  return typeof status === 'number' && status < 500;
}
