import { type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import { TinderboxError, toTinderboxError } from '../errors.ts';
import { isEncrypted } from './access/guard.ts';
import { securityHeaders } from './access/security-headers.ts';
import type { Pages } from './page/render-page.ts';
import { sendProblemPage, wantsPage } from './page/send-problem.ts';
import type { AdminServerOptions } from './port.ts';
import { problemOf } from './problem.ts';

/** Without a route; whatever is thrown in one becomes a problem document, or a page where a person looks at it. */
export function createApp({ logger }: Pick<AdminServerOptions, 'logger'>, pages: Pages): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: 64 * 1024,
    exposeHeadRoutes: false,
    // An address that cannot be read comes to no route, and to none of the guard's hooks.
    frameworkErrors(thrown, request, typed) {
      const reply = typed as unknown as FastifyReply;
      void reply.headers(securityHeaders(isEncrypted(request.raw))).code(400);
      const problem = problemOf(new TinderboxError('usage', thrown.message));
      void reply.type('application/problem+json').send(JSON.stringify(problem));
    },
  });
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
    void reply.code(problem.status);
    if (wantsPage(request)) return sendProblemPage(pages, reply, problem);
    return reply.type('application/problem+json').send(JSON.stringify(problem));
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
