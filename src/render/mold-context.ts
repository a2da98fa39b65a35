import type { TemplateContext } from './context.ts';

/**
 * What a rack's machines differ in, and nothing else: the texts at these places of their contexts. Where a context has
 * them as they are here, it has the same shape as others.
 */
const MACHINE_TEXTS = [
  'mac',
  'hostname',
  'address',
  'uuid',
  'serial',
  'arch',
  'manufacturer',
  'product',
] as const satisfies readonly (keyof TemplateContext['machine'])[];
const CERTIFICATE_TEXTS = ['commonName', 'url', 'certificate', 'key'] as const;
const PAIR_TEXTS = ['publicKey', 'privateKey'] as const;

/** From a context's root to a value. */
export type ContextPath = readonly (string | number)[];

/** A context with something else in the place of each such text. */
export interface TaggedContext {
  readonly context: TemplateContext;
  /** The objects and lists that hold such texts, at whatever depth. */
  readonly containers: ReadonlyMap<object, ContextPath>;
}

/** `tag` makes what stands at a path; it is passed on as if it were a text. */
export function tagContext(context: TemplateContext, tag: (path: ContextPath) => unknown): TaggedContext {
  const containers = new Map<object, ContextPath>();
  const tagged = <T extends object>(held: T, path: ContextPath): T => {
    containers.set(held, path);
    return held;
  };
  const texts = (names: readonly string[], path: ContextPath) =>
    Object.fromEntries(names.map((name) => [name, tag([...path, name])]));
  const list = (items: readonly string[], path: ContextPath): readonly string[] =>
    tagged(
      items.map((_item, index) => tag([...path, index]) as string),
      path,
    );
  const { machine, identity } = context;
  const certificates = identity.certificates.map((certificate, index) => {
    const path = ['identity', 'certificates', index];
    return tagged(
      {
        ...certificate,
        ...texts(CERTIFICATE_TEXTS, path),
        dns: list(certificate.dns, [...path, 'dns']),
        addresses: list(certificate.addresses, [...path, 'addresses']),
      },
      path,
    );
  });
  const pair = ['identity', 'serviceAccounts'];
  const root = tagged(
    {
      ...context,
      ...texts(['bootId', 'configUrl', 'reportUrl'], []),
      machine: tagged({ ...machine, ...texts(MACHINE_TEXTS, ['machine']) }, ['machine']),
      identity: tagged(
        {
          ...identity,
          ...texts(['nodeName'], ['identity']),
          certificates: tagged(certificates, ['identity', 'certificates']),
          serviceAccounts: tagged({ ...identity.serviceAccounts, ...texts(PAIR_TEXTS, pair) }, pair),
        },
        ['identity'],
      ),
    },
    [],
  );
  return { context: root, containers };
}

/** Numbers for what is compared as a whole. */
const numbers = new WeakMap<object, number>();
let next = 1;

function numberOf(thing: object | undefined): number {
  if (thing === undefined) return 0;
  const known = numbers.get(thing);
  if (known !== undefined) return known;
  numbers.set(thing, next);
  return next++;
}

const shapes = new WeakMap<TemplateContext, string>();

/**
 * Two contexts of the same shape are alike but for the texts above. Parameters, cluster and authorities count as the
 * objects that they are: the same for all machines of a role that have none of their own.
 */
export function shapeOf(context: TemplateContext): string {
  const known = shapes.get(context);
  if (known !== undefined) return known;
  const { machine, server, identity } = context;
  const shape = JSON.stringify([
    numberOf(context.parameters),
    numberOf(context.cluster),
    numberOf(identity.authorities),
    context.role,
    context.assetsUrl,
    machine.prefix,
    machine.gateway,
    machine.dns,
    machine.labels,
    server.address,
    server.url,
    server.syslogPort,
    identity.kind,
    identity.delivery,
    identity.serviceAccounts.publicKeyFile,
    identity.serviceAccounts.privateKeyFile,
    identity.certificates.map(({ name, organizations, certificateFile, keyFile, dns, addresses }) => [
      name,
      organizations,
      certificateFile,
      keyFile,
      dns.length,
      addresses.length,
    ]),
  ]);
  shapes.set(context, shape);
  return shape;
}
