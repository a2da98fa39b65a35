import type { FastifyInstance } from 'fastify';
import { TinderboxError } from '../../errors.ts';
import { POWER_ACTIONS, type PowerAction } from '../../machine/power.ts';
import { readMac } from '../parse-request.ts';
import type { AdminServerOptions } from '../port.ts';

type MachineRoute = { Params: { mac: string } };
type Command = Exclude<PowerAction, 'status'>;

/** GET: whether it is on. POST `{ action: on | off | cycle, pxe? }`: turns it on or off. */
export function addPowerRoutes(app: FastifyInstance, { power }: Pick<AdminServerOptions, 'power'>): void {
  app.get<MachineRoute>('/api/v1/machines/:mac/power', ({ params }) => power(readMac(params.mac), 'status'));
  app.post<MachineRoute>('/api/v1/machines/:mac/power', ({ params, body }) => {
    const { action, pxe } = readPowerCommand(body);
    return power(readMac(params.mac), action, pxe === undefined ? {} : { pxe });
  });
}

function readPowerCommand(body: unknown): { readonly action: Command; readonly pxe?: boolean } {
  const { action, pxe, ...others } =
    typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>) : {};
  const [unknown] = Object.keys(others);
  if (unknown !== undefined) {
    throw new TinderboxError('usage', `unknown key ${JSON.stringify(unknown)}`, {
      remedy: 'allowed are action, pxe',
    });
  }
  const known = POWER_ACTIONS.find((one) => one === action);
  if (known === undefined || known === 'status') {
    throw new TinderboxError('usage', `action is ${JSON.stringify(action)}`, {
      remedy: 'allowed are on, off, cycle',
    });
  }
  if (pxe !== undefined && typeof pxe !== 'boolean')
    throw new TinderboxError('usage', 'pxe is neither true nor false');
  return { action: known, ...(pxe === undefined ? {} : { pxe }) };
}
