import swagger from '@fastify/swagger';
import type { FastifyInstance, FastifySchema } from 'fastify';
import type { SchemaNode } from '../../document/describe-schema.ts';
import { checkRequest } from './check-request.ts';
import { ProblemDocument } from './daemon-schemas.ts';
import { OPERATIONS, type Operation } from './operations.ts';

const TAGS: Readonly<Record<Operation['tag'], string>> = {
  machines: 'Machines, their boots and why.',
  roles: 'What machines become.',
  changes: 'Who boots what.',
  daemon: 'The daemon itself.',
  access: 'Who asks, and who changed what.',
};

/**
 * Before the routes: each of the API is checked as its operation says, and stands in the OpenAPI document, which is at
 * `/api/v1/openapi.json`.
 */
export async function addDocument(app: FastifyInstance, version: string): Promise<void> {
  app.setValidatorCompiler(({ schema, httpPart }) => (given: unknown) => {
    const error = checkRequest(schema as SchemaNode, given, { areTexts: httpPart !== 'body' });
    return error === undefined ? { value: given } : { error };
  });
  // As it is: a field that a schema does not name would be left out without a word.
  app.setSerializerCompiler(() => (answer: unknown) => JSON.stringify(answer));
  await app.register(swagger, {
    hideUntagged: true,
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Tinderbox',
        description:
          'The admin plane. Times are milliseconds since the epoch; errors are problem documents (RFC 9457).',
        version,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: {
          token: { type: 'http', scheme: 'bearer' },
          session: { type: 'apiKey', in: 'cookie', name: 'tinderbox' },
        },
      },
      security: [{ token: [] }, { session: [] }],
    },
  });
  app.addHook('onRoute', (route) => {
    const operation = OPERATIONS[`${String(route.method)} ${route.url}`];
    if (operation !== undefined) route.schema = schemaOf(operation);
  });
  app.get('/api/v1/openapi.json', () => app.swagger());
}

function schemaOf({ tag, summary, params, querystring, body, answer }: Operation): FastifySchema {
  return {
    tags: [tag],
    summary,
    ...(params === undefined ? {} : { params }),
    ...(querystring === undefined ? {} : { querystring }),
    ...(body === undefined ? {} : { body }),
    response: {
      200: {
        description: summary,
        content:
          typeof answer === 'string'
            ? { [answer]: { schema: { type: 'string' } } }
            : { 'application/json': { schema: answer } },
      },
      default: {
        description: 'It was refused, or failed.',
        content: { 'application/problem+json': { schema: ProblemDocument } },
      },
    },
  };
}
