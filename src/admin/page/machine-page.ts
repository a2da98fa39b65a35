import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ordinal } from '../../boot/describe-queue.ts';
import { TinderboxError, toTinderboxError } from '../../errors.ts';
import type { Mac } from '../../machine/mac.ts';
import type { PowerKind } from '../../machine/power.ts';
import type { EventStreams } from '../event-stream.ts';
import type { AdminServerOptions } from '../port.ts';
import { problemOf } from '../problem.ts';
import { consoleModel, refusalOf, servedModel, whyModel } from './machine-extras.ts';
import { type FormFields, formOf, macOf, readFields, saveEntry } from './machine-form.ts';
import { machineModel } from './machine-model.ts';
import { plainText } from './plain-text.ts';
import { readMachine } from './read-machine.ts';
import type { Pages } from './render-page.ts';

type MachineRequest = FastifyRequest<{ Params: { mac: string } }>;
type Query = Readonly<Record<string, unknown>>;

/** What went wrong with a form that was sent, to be shown above it. */
interface Failed {
  readonly thrown: unknown;
  readonly typed?: FormFields;
}

const POWER_ACTIONS = ['on', 'off', 'cycle'] as const;

/** `/machines/:mac`: one machine, what happened to it, why, and what can be done. */
export function addMachinePages(
  app: FastifyInstance,
  options: AdminServerOptions,
  pages: Pages,
  streams: EventStreams,
): void {
  app.get('/machines/:mac', (request: MachineRequest, reply) => {
    const mac = macOf(request.params.mac);
    // One machine has one address, or the browser's history has three.
    if (mac !== request.params.mac) return reply.redirect(`/machines/${mac}`, 302);
    return showMachine(options, pages, request, reply, mac);
  });
  app.get('/machines/:mac/live', async (request: MachineRequest, reply) => {
    const mac = macOf(request.params.mac);
    const model = await liveModel(options, mac, request.query as Query);
    // The page that waits for a machine that was never seen is another one.
    if (model === undefined) return reply.code(204).send();
    if ((request.query as Query)['waiting'] === '1') return reply.header('hx-refresh', 'true').send('');
    return reply
      .type('text/html; charset=utf-8')
      .header('cache-control', 'no-store')
      .send(pages.renderPart('machine-live', model));
  });
  app.get('/machines/:mac/changes', (request: MachineRequest, reply) => {
    const mac = macOf(request.params.mac);
    streams.openChanges(reply.raw, mac, () => options.console(mac).lines.at(-1)?.number ?? 0);
    reply.hijack();
  });
  void app.register(async (forms) => {
    // In here only: with forms elsewhere, pages of other origins could send what the API takes.
    await forms.register(formbody);
    forms.post('/machines/:mac', (request: MachineRequest, reply) => {
      const mac = macOf(request.params.mac);
      const typed = readFields(request.body);
      return attempt(() => saveEntry(options, mac, typed), 'saved', request, reply, mac, typed);
    });
    forms.post('/machines/:mac/forget', (request: MachineRequest, reply) => {
      const mac = macOf(request.params.mac);
      // The browser asks, where it runs the page's script; without it, this box is the question.
      if ((request.body as Query | undefined)?.['sure'] !== 'yes') {
        const thrown = new TinderboxError(
          'usage',
          'nothing was forgotten: the box "I mean it" was not ticked',
        );
        return showMachine(options, pages, request, reply, mac, { thrown });
      }
      return attempt(() => options.forget(mac), 'forgotten', request, reply, mac);
    });
    forms.post('/machines/:mac/power', (request: MachineRequest, reply) => {
      const mac = macOf(request.params.mac);
      const action = POWER_ACTIONS.find((one) => one === (request.body as Query | undefined)?.['action']);
      return attempt(
        () => {
          if (action === undefined) {
            throw new TinderboxError('usage', 'power is on, off or cycle, of a machine with `power:`');
          }
          return options.power(mac, action);
        },
        'power',
        request,
        reply,
        mac,
      );
    });
  });

  /** Back to the page, with what was done: a reload does not do it again. What goes wrong is said in the page. */
  async function attempt(
    work: () => Promise<unknown>,
    done: Done,
    request: MachineRequest,
    reply: FastifyReply,
    mac: Mac,
    typed?: FormFields,
  ): Promise<FastifyReply> {
    try {
      await work();
    } catch (thrown) {
      const failed = { thrown, ...(typed === undefined ? {} : { typed }) };
      return showMachine(options, pages, request, reply, mac, failed);
    }
    return reply.redirect(`/machines/${mac}?done=${done}`, 303);
  }
}

const DONE = {
  saved: 'Saved. It holds from its next boot on.',
  power: 'The machine was told to.',
  forgotten: 'Everything that was known of it is forgotten.',
} as const;
type Done = keyof typeof DONE;

/** An address may say anything, also what every object has. */
function doneOf(done: unknown): string | undefined {
  return typeof done === 'string' && Object.hasOwn(DONE, done) ? DONE[done as Done] : undefined;
}

/** Which buttons there are; undefined: none. Wake-on-LAN turns nothing off. */
function powerModel(kind: PowerKind | undefined): { readonly off: boolean } | undefined {
  return kind === undefined ? undefined : { off: kind !== 'wake-on-lan' };
}

async function showMachine(
  options: AdminServerOptions,
  pages: Pages,
  request: MachineRequest,
  reply: FastifyReply,
  mac: Mac,
  failed?: Failed,
): Promise<FastifyReply> {
  const query = request.query as Query;
  const live = await liveModel(options, mac, query);
  const explained = await options.explain(mac);
  const { roles } = await options.roles.list();
  const names = roles.map(({ name }) => name);
  const { typed, thrown } = failed ?? {};
  const shared = {
    mac,
    done: doneOf(query['done']),
    form: formOf(names, explained, typed === undefined ? undefined : { typed, thrown }),
    refusal: failed !== undefined && typed === undefined ? refusalOf(thrown) : undefined,
    why: whyModel(explained),
    power: powerModel(options.powerKind(mac)),
    waitsForApproval: live?.state.tone === 'warn',
    ...(await servedPart(options, mac, query, names)),
  };
  if (failed !== undefined) void reply.code(problemOf(toTinderboxError(thrown)).status);
  if (live === undefined) {
    if (failed === undefined) void reply.code(404);
    const { interfaces, mode } = await options.status();
    const heardOn = interfaces.map(({ name, state }) => ({ name, state }));
    return pages.send(reply, 'machine-never', { title: mac, section: 'none' }, { ...shared, heardOn, mode });
  }
  return pages.send(
    reply,
    'machine',
    { title: plainText(live.name), section: 'none' },
    { ...live, ...shared },
  );
}

/** Script and configuration, where they are asked for: a controller's takes a moment, and is long. */
async function servedPart(
  options: AdminServerOptions,
  mac: Mac,
  query: Query,
  names: readonly string[],
): Promise<object> {
  const isShown = query['show'] === 'served';
  const role = typeof query['role'] === 'string' && query['role'] !== '' ? query['role'] : undefined;
  const part = isShown ? await servedModel(options, mac, role) : { served: undefined, refusal: undefined };
  return {
    isServedShown: isShown,
    served: part.served,
    notServed: part.refusal,
    servedRoles: names.map((name) => ({ name, chosen: name === role })),
  };
}

async function liveModel(options: AdminServerOptions, mac: Mac, query: Query) {
  const session = countOf(query['session']);
  const window = countOf(query['older']) ?? 0;
  const history = await readMachine(options, mac, { session, window });
  if (history === undefined) return undefined;
  const model = machineModel(history);
  const shown = model.session?.id;
  const turn = options.queue.positionOf(mac);
  return {
    ...model,
    facts:
      turn === undefined
        ? model.facts
        : [{ name: 'Waits to load', value: `${ordinal(turn)} in the queue` }, ...model.facts],
    console: consoleModel(options.console(mac)),
    hasPackets: options.capture(mac) !== undefined,
    // What is chosen stays so when the page draws itself anew; the newest is whichever is that then.
    liveQuery: [
      ...(session === undefined || shown === undefined ? [] : [`session=${shown}`]),
      ...(model.timeline.window === 0 ? [] : [`older=${model.timeline.window}`]),
    ].join('&'),
    olderLink: linkOf(shown, session, model.timeline.window + 1),
    newerLink: linkOf(shown, session, Math.max(0, model.timeline.window - 1)),
  };
}

function linkOf(shown: number | undefined, wanted: number | undefined, window: number): string {
  const parts = [
    ...(wanted === undefined || shown === undefined ? [] : [`session=${shown}`]),
    ...(window === 0 ? [] : [`older=${window}`]),
  ];
  return `?${parts.join('&')}#timeline`;
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : undefined;
}
