import { isAbsolute, join, resolve } from 'node:path';
import { explainClaim, joinLoaders } from '../boot/choose-loaders.ts';
import { parseDuration, parseSize } from '../document/parse-units.ts';
import { readDocument } from '../document/read-document.ts';
import { readStageTimes } from '../document/text-schemas.ts';
import type { Problem } from '../errors.ts';
import { parseIpv4 } from '../machine/ipv4.ts';
import { explainMovedKeys, MOVED_KEYS } from './moved-keys.ts';
import type { AdminTlsConfig, Config } from './port.ts';
import { createReporter, type Reporter } from './reporter.ts';
import { resolveAssets } from './resolve-assets.ts';
import { checkClusterNetworks, resolveCluster } from './resolve-cluster.ts';
import { listOf, resolveDhcp } from './resolve-dhcp.ts';
import { ConfigSchema, type RawConfig } from './schema.ts';

/** sun_path of sockaddr_un has 108 bytes, the last one zero. */
const MAX_SOCKET_PATH = 107;

/** What the environment may say; systemd sets RUNTIME_DIRECTORY for a service. */
export interface ConfigEnvironment {
  readonly TINDERBOX_CONFIG?: string | undefined;
  readonly RUNTIME_DIRECTORY?: string | undefined;
  /** Who called sudo. */
  readonly SUDO_UID?: string | undefined;
}

export interface ConfigSource {
  /** Absolute path, or `(built in)`. */
  readonly file: string;
  readonly content: string | Uint8Array;
  /** Absolute folder that relative paths start from. */
  readonly folder: string;
  readonly env: ConfigEnvironment;
}

/** Pure: text to the typed Config, or every problem at once. `config` is there unless a problem is an error. */
export function resolveConfig(
  source: ConfigSource,
  moved = MOVED_KEYS,
): { config?: Config; problems: readonly Problem[] } {
  const { file, content, folder, env } = source;
  const reading = readDocument(
    ConfigSchema,
    typeof content === 'string' ? { file, text: content } : { file, bytes: content },
    { moved: explainMovedKeys(moved) },
  );
  if (reading.value === undefined) return { problems: reading.problems };
  const raw = reading.value;
  const report = createReporter(file, reading);

  const paths = {
    profiles: resolve(folder, raw.paths?.profiles ?? './profiles'),
    assets: resolve(folder, raw.paths?.assets ?? './assets'),
    state: resolve(folder, raw.paths?.state ?? './var'),
  };
  const http = resolveHttp(raw.http ?? {});
  const admin = resolveAdmin(
    raw.admin ?? {},
    { folder, state: paths.state, env, httpPort: http.port },
    report,
  );
  const cluster = raw.cluster === undefined ? undefined : resolveCluster(raw.cluster, report);
  const { loaders, claimed } = joinLoaders(raw.secureBoot, raw.loaders);
  for (const name of claimed) report.error(['loaders', name], explainClaim(name, loaders.get(name) ?? ''));
  const config: Config = {
    file,
    network: { interfaces: resolveInterfaces(raw, report) },
    dhcp: resolveDhcp(raw.dhcp ?? {}, report),
    http,
    assets: resolveAssets(raw.assets ?? {}, report),
    tftp: { port: raw.tftp?.port ?? 69, maxTransfers: raw.tftp?.maxTransfers ?? 2048 },
    syslog: resolveSyslog(raw.syslog?.port ?? SYSLOG_PORT),
    admin,
    admission: raw.admission ?? 'open',
    stageTime: readStageTimes(raw.stageTime ?? {}),
    log: { level: raw.log?.level ?? 'info' },
    history: resolveHistory(raw.history ?? {}, report),
    ...(cluster === undefined ? {} : { cluster }),
    paths,
    loaders,
  };
  checkClusterNetworks(config, report);
  const problems = report.problems.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
  return problems.some((problem) => problem.severity === 'error') ? { problems } : { config, problems };
}

function resolveInterfaces(raw: RawConfig, report: Reporter): string[] {
  const names: string[] = [];
  for (const [index, name] of listOf(raw.network.interface).entries()) {
    const path = Array.isArray(raw.network.interface)
      ? ['network', 'interface', index]
      : ['network', 'interface'];
    if (names.includes(name)) report.error(path, `the interface ${name} is there twice`);
    else names.push(name);
  }
  return names;
}

/** RFC 5426 section 3.3, and all that iPXE knows: DHCP's option 7 has no port. */
export const SYSLOG_PORT = 514;

function resolveSyslog(port: number | string): Config['syslog'] {
  return typeof port === 'number' ? { port } : {};
}

type RawHttp = NonNullable<RawConfig['http']>;

function resolveHttp(raw: RawHttp): Config['http'] {
  return {
    port: raw.port ?? 80,
    ...(raw.url === undefined ? {} : { url: raw.url.replace(/\/+$/, '') }),
    ...resolveQueue(raw.queue ?? {}),
    cacheBytes: parseSize(raw.cacheBytes ?? '512MiB') ?? 2 ** 29,
    sessionTime: parseDuration(raw.sessionTime ?? '1h') ?? 3600,
    strictAddress: raw.strictAddress ?? false,
    matchbox: raw.matchbox ?? false,
  };
}

/**
 * A machine takes 30 to 100 MB/s under UEFI, so that a dozen fill 10 Gb/s, and 64 keep it full while others come and go.
 * At 1 Gb/s each of 64 still gets 2 MB/s, which no loader gives up for.
 */
const DOWNLOADS = 64;

function resolveQueue({
  downloads = DOWNLOADS,
  largerThan,
}: NonNullable<RawHttp['queue']>): Pick<Config['http'], 'queue'> {
  if (downloads === 0 || typeof downloads === 'string') return {};
  return { queue: { places: downloads, largerThan: parseSize(largerThan ?? '8MiB') ?? 2 ** 23 } };
}

/** Machines and leases alone may take so much. */
const LEAST_HISTORY = 16 * 2 ** 20;

function resolveHistory(raw: NonNullable<RawConfig['history']>, report: Reporter): Config['history'] {
  const maxSize = parseSize(raw.maxSize ?? '500MB') ?? 500_000_000;
  if (maxSize < LEAST_HISTORY) {
    report.error(
      ['history', 'maxSize'],
      `${raw.maxSize} is less than 16MiB, which machines and leases may take`,
    );
  }
  return { keep: parseDuration(raw.keep ?? '90d') ?? 90 * 86_400, maxSize };
}

function resolveAdmin(
  raw: NonNullable<RawConfig['admin']>,
  context: { folder: string; state: string; env: ConfigEnvironment; httpPort: number },
  report: Reporter,
): Config['admin'] {
  const socket = adminSocket(raw.socket, context);
  if (Buffer.byteLength(socket) > MAX_SOCKET_PATH) {
    const path = raw.socket === undefined ? ['paths', 'state'] : ['admin', 'socket'];
    report.error(path, `the path of the admin socket is longer than ${MAX_SOCKET_PATH} bytes: ${socket}`, {
      remedy: 'Give a shorter one as admin.socket.',
    });
  }
  const listen = raw.listen === undefined ? undefined : resolveListen(raw.listen, context.httpPort, report);
  const tls = listen === undefined ? undefined : resolveTls(raw.tls, listen.host, context.folder, report);
  return {
    ...(listen === undefined ? {} : { listen }),
    ...(tls === undefined ? {} : { tls }),
    socket,
    names: raw.names ?? [],
  };
}

/** In the clear for this host alone: the token would be read by whoever is on the way. */
function resolveTls(
  raw: NonNullable<RawConfig['admin']>['tls'],
  host: string,
  folder: string,
  report: Reporter,
): AdminTlsConfig | undefined {
  const isLoopback = host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
  if (raw === undefined) return isLoopback ? undefined : { kind: 'own' };
  if (raw === 'own') return { kind: 'own' };
  if (raw !== 'off')
    return { kind: 'files', certificate: resolve(folder, raw.certificate), key: resolve(folder, raw.key) };
  if (!isLoopback) {
    report.error(
      ['admin', 'tls'],
      `${host} can be reached from other hosts, and the token would go there in the clear`,
      {
        remedy: 'Leave admin.tls out (Tinderbox makes a certificate), or listen on 127.0.0.1.',
      },
    );
  }
  return undefined;
}

function adminSocket(
  given: string | undefined,
  context: { folder: string; state: string; env: ConfigEnvironment },
): string {
  if (given !== undefined) return isAbsolute(given) ? given : resolve(context.folder, given);
  // systemd separates several folders by colons.
  const runtime = context.env.RUNTIME_DIRECTORY?.split(':')[0] ?? '';
  return join(runtime === '' ? context.state : runtime, 'admin.sock');
}

function resolveListen(
  text: string,
  httpPort: number,
  report: Reporter,
): { host: string; port: number } | undefined {
  const path = ['admin', 'listen'];
  const colon = text.lastIndexOf(':');
  const host = text.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(text.slice(colon + 1));
  if (port > 65_535) {
    report.error(path, `port ${port}: expected a whole number from 0 to 65535`);
    return undefined;
  }
  if (/^[\d.]+$/.test(host) && parseIpv4(host) === undefined) {
    report.error(path, `${host} is no IPv4 address`);
    return undefined;
  }
  const everywhere = host === '0.0.0.0' || host === '::';
  if (everywhere && port === httpPort && port !== 0) {
    report.error(path, `${text} takes port ${port}, which machines use (http.port)`, {
      remedy: 'Give the admin plane another port.',
    });
  }
  if (everywhere) {
    report.warn(path, `machines can reach the admin plane too at ${text}`, {
      remedy: 'Name the one address that people use.',
    });
  }
  return { host, port };
}
