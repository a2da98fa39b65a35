import { readdir, readFile, stat, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { connect } from 'node:tls';
import { type Finding, ok, problem, skipped, warning } from './boot/finding.ts';
import { judgeIptables, judgeNftables, type WantedPort } from './boot/judge-firewall.ts';
import { judgeClock, judgeDescriptors, judgeExpiry, judgeSpace, judgeUnit } from './boot/judge-host.ts';
import { askProgram, type DoctorContext } from './doctor-context.ts';
import { toTinderboxError } from './errors.ts';
import { pkiFolder } from './manage-authorities.ts';
import { readDescriptorLimit } from './net/descriptor-limit.ts';
import { describeFolder } from './pki/describe-authority.ts';
import { checkAuthorities } from './preflight-cluster.ts';
import { DATABASE_FILE } from './preflight-state.ts';

/** The authorities, and the certificates of the API server and the admin plane as they show them. */
export async function checkCertificates(context: DoctorContext): Promise<readonly Finding[]> {
  const { config, now } = context;
  const admin = await askAdminPlane(context);
  if (config.cluster === undefined)
    return [...admin, skipped('tinderbox.yaml has no cluster: nobody gets certificates')];
  const { problems, issuing } = await checkAuthorities(config, now);
  const wrong = [...problems, ...issuing].map(({ severity, message, remedy }) =>
    (severity === 'error' ? problem : warning)(message, remedy),
  );
  const authorities = await readAuthorities(context);
  const until = authorities.map(
    ({ name, notAfter }) => `${name} until ${new Date(notAfter).toISOString().slice(0, 10)}`,
  );
  return [
    ...wrong,
    ...(authorities.length === 0 || wrong.some(({ state }) => state === 'problem')
      ? []
      : [ok(`authorities: ${until.join(', ')}`)]),
    await askApiServer(config.cluster.apiServer, context),
    ...admin,
  ];
}

async function readAuthorities({ config }: DoctorContext) {
  if (config.cluster === undefined) return [];
  return (await describeFolder(pkiFolder(config)).catch(() => undefined)) ?? [];
}

/** In ms. */
const HANDSHAKE_LIMIT = 4000;

function askApiServer(url: string, context: DoctorContext): Promise<Finding> {
  const { hostname, port } = new URL(url);
  const what = `the certificate of the API server ${url}`;
  return askCertificate(what, { host: hostname, port: Number(port || 443) }, context);
}

/** Of the admin plane, as it shows it itself: it may have been brought, or is renewed by the daemon. */
async function askAdminPlane(context: DoctorContext): Promise<readonly Finding[]> {
  const { tls, listen } = context.config.admin;
  if (tls === undefined || listen === undefined || context.status === undefined) return [];
  const host = listen.host === '0.0.0.0' || listen.host === '::' ? '127.0.0.1' : listen.host;
  return [await askCertificate('the certificate of the admin plane', { host, port: listen.port }, context)];
}

/** Whoever it is signed by: only when it ends is of interest, and nothing is sent. */
async function askCertificate(
  what: string,
  place: { readonly host: string; readonly port: number },
  { now, signal }: DoctorContext,
): Promise<Finding> {
  const socket = connect({ ...place, rejectUnauthorized: false, timeout: HANDSHAKE_LIMIT });
  const stop = (): void => void socket.destroy();
  signal.addEventListener('abort', stop);
  try {
    return await new Promise<Finding>((resolve) => {
      socket.once('secureConnect', () => {
        const until = Date.parse(socket.getPeerCertificate().valid_to);
        resolve(Number.isNaN(until) ? skipped(`${what} cannot be read`) : judgeExpiry(what, until, now));
      });
      socket.once('timeout', () => resolve(skipped(`${what}: it does not answer`)));
      socket.once('error', (error) => resolve(skipped(`${what}: ${error.message}`)));
      socket.once('close', () => resolve(skipped(`${what}: it closed the connection`)));
    });
  } finally {
    signal.removeEventListener('abort', stop);
    socket.destroy();
  }
}

export async function checkSpace({ config: { paths } }: DoctorContext): Promise<readonly Finding[]> {
  return Promise.all([
    lookAtSpace('the state folder', paths.state),
    lookAtSpace('the assets folder', paths.assets),
  ]);
}

async function lookAtSpace(what: string, folder: string): Promise<Finding> {
  try {
    const { bavail, bsize, blocks, files, ffree } = await statfs(await existing(folder));
    const inodes = files > 0 ? { freeInodes: ffree } : {};
    return judgeSpace({ what, folder, free: bavail * bsize, total: blocks * bsize, ...inodes });
  } catch (thrown) {
    return problem(`${what} (${folder}) cannot be looked at: ${toTinderboxError(thrown).message}`);
  }
}

/** Before the first start it is where the folder will be made. */
async function existing(folder: string): Promise<string> {
  const found = await stat(folder).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT' && dirname(folder) !== folder) return false;
      throw error;
    },
  );
  return found ? folder : existing(dirname(folder));
}

export async function checkClock(context: DoctorContext): Promise<readonly Finding[]> {
  const { config, now, signal } = context;
  const files = ['', '-wal'].map((suffix) => join(config.paths.state, `${DATABASE_FILE}${suffix}`));
  const written = await Promise.all(
    files.map(async (file) => ({ file, at: (await stat(file).catch(() => undefined))?.mtimeMs ?? 0 })),
  );
  const said = await askProgram('timedatectl', ['show', '--property=NTPSynchronized', '--value'], signal);
  const synchronised = said === undefined ? undefined : said.trim() === 'yes';
  return judgeClock({
    now,
    ...(synchronised === undefined ? {} : { synchronised }),
    written,
    authorities: await readAuthorities(context),
  });
}

/** Hints: what a firewall does shows only in what comes in. */
export async function checkFirewall({ config, signal }: DoctorContext): Promise<readonly Finding[]> {
  const wanted: readonly WantedPort[] = [
    ...(config.dhcp.mode === 'off'
      ? []
      : ([
          { protocol: 'udp', port: 67, what: 'DHCP' },
          ...(config.dhcp.mode === 'proxy' ? [{ protocol: 'udp', port: 4011, what: 'PXE' } as const] : []),
        ] as const)),
    { protocol: 'udp', port: config.tftp.port, what: 'TFTP' },
    { protocol: 'tcp', port: config.http.port, what: 'HTTP' },
    ...(config.syslog.port === undefined
      ? []
      : ([{ protocol: 'udp', port: config.syslog.port, what: 'syslog' }] as const)),
  ];
  const findings: Finding[] = [];
  const ruleset = await askProgram('nft', ['--json', 'list', 'ruleset'], signal);
  if (ruleset !== undefined) {
    const parsed: unknown = JSON.parse(ruleset === '' ? '{}' : ruleset);
    for (const name of config.network.interfaces) findings.push(...judgeNftables(parsed, name, wanted));
  }
  const legacy = (await readFile('/proc/net/ip_tables_names', 'utf8').catch(() => '')).includes('filter');
  const saved = legacy ? await askProgram('iptables-save', ['-t', 'filter'], signal) : undefined;
  if (saved !== undefined) findings.push(...judgeIptables(saved, wanted));
  const ports = wanted.map(({ protocol, port }) => `${port}/${protocol}`).join(', ');
  const frontEnds = [
    [
      /^ENABLED=yes/m.test(await readFile('/etc/ufw/ufw.conf', 'utf8').catch(() => '')),
      'ufw',
      `sudo ufw status; let in ${ports}`,
    ],
    [
      await isThere('/run/firewalld'),
      'firewalld',
      `sudo firewall-cmd --list-all-zones; let in ${ports} in the interface's zone`,
    ],
  ] as const;
  for (const [active, name, remedy] of frontEnds)
    if (active)
      findings.push(warning(`${name} is active: it may drop what machines ask`, `Look at: ${remedy}.`));
  if (findings.length > 0) return findings;
  return [
    skipped(
      'the rules of the firewall cannot be read',
      'Run this as root, with nft (package nftables) installed.',
    ),
  ];
}

async function isThere(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}

const PROPERTIES = ['LoadState', 'ActiveState', 'SubState', 'Result', 'UnitFileState', 'ExecMainStatus'];

export async function checkUnit({ status, signal }: DoctorContext): Promise<readonly Finding[]> {
  if (!(await isThere('/run/systemd/system'))) return [skipped('systemd does not run here')];
  const said = await askProgram(
    'systemctl',
    ['show', 'tinderbox', `--property=${PROPERTIES.join(',')}`],
    signal,
  );
  if (said === undefined) return [skipped('systemd does not answer')];
  const properties = new Map(
    said.split('\n').flatMap((line): [string, string][] => {
      const at = line.indexOf('=');
      return at < 0 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );
  return [judgeUnit(properties, status !== undefined)];
}

export async function checkDescriptors({ status, inDaemon }: DoctorContext): Promise<readonly Finding[]> {
  const pid = inDaemon ? process.pid : status?.pid;
  if (pid === undefined) return [skipped('tinderbox does not run')];
  const open = await readdir(`/proc/${pid}/fd`).then(
    (names) => names.length,
    () => undefined,
  );
  return [judgeDescriptors(open, readDescriptorLimit(`/proc/${pid}/limits`))];
}
