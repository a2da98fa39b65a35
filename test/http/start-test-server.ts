import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { BootPlan } from '../../src/boot/boot-plan.ts';
import { createSessionTokens } from '../../src/boot/session-token.ts';
import type { HttpServer, HttpServerOptions } from '../../src/http/port.ts';
import { startHttpServer } from '../../src/http/server.ts';
import { createLoggers } from '../../src/logger.ts';
import { DEFAULT_CREDENTIALS } from '../../src/machine/identity.ts';
import type { Role, TemplateSource } from '../../src/machine/role.ts';
import { createFileSender, memoryFiles } from '../../src/net/file-sender.ts';
import { buildContext } from '../../src/render/build-context.ts';
import { createFakeJournal, type FakeJournal } from './fake-journal.ts';

const source = (text: string): TemplateSource => ({ file: 'role.yaml', text, line: 1 });

export function testRole(name = 'worker', config = true): Role {
  return {
    name,
    description: 'a role of the tests',
    file: `/profiles/${name}/role.yaml`,
    boot: {
      kind: 'kernel',
      kernel: source('/assets/vmlinuz'),
      initrd: [source('/assets/initrd')],
      cmdline: [],
    },
    ...(config
      ? {
          config: {
            format: 'cloud-config',
            template: source('#cloud-config\nhostname: {{machine.hostname}}\n'),
          },
        }
      : {}),
    identity: 'none',
    credentials: DEFAULT_CREDENTIALS,
    partials: new Map(),
    parameters: {},
  };
}

export function bootPlan(role: Role = testRole(), hostname = 'node-1'): BootPlan {
  return { kind: 'boot', role, hostname, parameters: {}, reasons: [`rule 1 gives role ${role.name}`] };
}

export interface TestServer {
  readonly url: string;
  readonly port: number;
  readonly assets: string;
  readonly journal: FakeJournal;
  readonly server: HttpServer;
  readonly tokens: HttpServerOptions['sessionTokens'];
  readonly log: () => string;
}

/** A provisioning plane on a random port of the loopback, with renderers that say what they were given. */
export async function startTestServer(
  t: Test,
  {
    threads = true,
    ...overrides
  }: Partial<HttpServerOptions> & {
    readonly journal?: FakeJournal;
    /** False: as where the C library cannot be called. */
    readonly threads?: boolean;
  } = {},
): Promise<TestServer> {
  const sender = threads
    ? createFileSender({ threads: 1, crashed: (reason) => void t.fail(reason) })
    : undefined;
  const inMemory = threads ? memoryFiles() : undefined;
  const assets = await mkdtemp(join(tmpdir(), 'tinderbox-http-'));
  t.teardown(() => rm(assets, { recursive: true }));
  const journal = overrides.journal ?? createFakeJournal();
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line) } as unknown as NodeJS.WritableStream;
  const tokens = createSessionTokens(new Uint8Array(32).fill(7), (id) => journal.sessionById(id));
  const server = await startHttpServer({
    listen: [{ host: '127.0.0.1', via: 'lo' }],
    port: 0,
    assets,
    cacheBytes: 8 * 1024 * 1024,
    ...(sender === undefined ? {} : { fileSender: sender }),
    ...(inMemory === undefined ? {} : { memoryFiles: inMemory }),
    sessionTime: 3_600,
    strictAddress: false,
    journal,
    sessionTokens: tokens,
    joinsCluster: () => false,
    plan: () => bootPlan(),
    once: {
      arrives: () => undefined,
      tries: () => undefined,
      succeeds: () => false,
      written: async () => undefined,
    },
    buildContext: ({ plan, facts, server: place, sessionUrl }) =>
      buildContext({ plan, facts, cluster: undefined, server: place, subnets: [], sessionUrl }),
    renderer: {
      bootstrapScript: ({ url }) => `#!ipxe\nbootstrap ${url}\n`,
      machineScript: ({ role, context, hostname }) =>
        `#!ipxe\n${role.name} ${hostname} ${context.configUrl}\n`,
      waitScript: ({ message }) => `#!ipxe\nwait ${message}\n`,
      refusalScript: ({ message }) => `#!ipxe\nrefused ${message}\n`,
      renderConfig: (role, context) => ({
        body: `#cloud-config\nhostname: ${context.machine.hostname}\nrole: ${role.name}\nmac: ${context.machine.mac}\n`,
        contentType: 'text/cloud-config; charset=utf-8',
      }),
    },
    grub: {
      bootstrap: ({ url }) => `grub bootstrap ${url}\n`,
      machineScript: ({ role, context, hostname, transport }) =>
        `grub ${role.name} ${hostname} ${context.configUrl} by ${transport}\n`,
      waitScript: ({ message }) => `grub wait ${message}\n`,
      refusalScript: ({ message }) => `grub refused ${message}\n`,
    },
    assetStage: (_session, path) =>
      (({ '/assets/vmlinuz': 'kernel', '/assets/initrd': 'initrd' }) as const)[path],
    logger: createLoggers({ level: 'debug', destination: sink }).http,
    clock: Date.now,
    ...overrides,
  });
  t.teardown(async () => {
    await server.stop({ graceMs: 0 });
    await sender?.stop();
  });
  const port = server.addresses[0]?.port ?? 0;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    assets,
    journal,
    server,
    tokens,
    log: () => lines.join(''),
  };
}

/** Sends bytes as they are and gives back all that comes until the server closes (or `until` has come). */
export function exchange(port: number, bytes: string, until?: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let received = '';
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      received += text;
      if (until?.test(received)) socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.on('close', () => resolve(received));
  });
}

/** The head and body of one raw answer to a request whose target is sent exactly as written. */
export async function rawGet(
  port: number,
  target: string,
  method = 'GET',
): Promise<{ status: number; text: string }> {
  const text = await exchange(port, `${method} ${target} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n`);
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), text };
}
