import type { FastifyInstance } from 'fastify';
import { TinderboxError } from '../../errors.ts';
import {
  architectureByName,
  FIRMWARE_ARCHITECTURES,
  type FirmwareArchitecture,
} from '../../machine/architecture.ts';
import { readMac } from '../parse-request.ts';
import type { AdminServerOptions } from '../port.ts';

/** Why a machine gets what it gets, and what it would get now. */
export function addExplainRoutes(app: FastifyInstance, { journal, explain }: AdminServerOptions): void {
  app.get<{ Params: { mac: string }; Querystring: { readonly arch?: unknown } }>(
    '/api/v1/machines/:mac/explain',
    async ({ params, query }) => {
      const mac = readMac(params.mac);
      const architecture = query.arch === undefined ? undefined : readArchitecture(query.arch);
      await journal.flush();
      return explain(mac, architecture);
    },
  );
}

/** As in `loaders:`. Throws TinderboxError `usage`. */
export function readArchitecture(value: unknown): FirmwareArchitecture {
  const found = typeof value === 'string' ? architectureByName(value) : undefined;
  if (found !== undefined) return found;
  const names = [...new Set(FIRMWARE_ARCHITECTURES.map(({ name }) => name))];
  throw new TinderboxError('usage', `${JSON.stringify(value)} is no firmware architecture`, {
    remedy: `Known are ${names.join(', ')}.`,
  });
}
