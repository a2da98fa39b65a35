import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { inspect, promisify } from 'node:util';
import t from 'tap';
import { createLoggers } from '../../src/logger.ts';
import { checkFolder } from '../../src/pki/describe-authority.ts';
import { openAuthorities } from '../../src/pki/open-authorities.ts';
import { createSecretFolder } from '../../src/pki/secret-files.ts';
import { entitlement, makeFolder, makeForeignAuthority, open, smallKeys } from './support/make-cluster.ts';

const FILES = ['etcd.pem', 'front-proxy.pem', 'kubernetes.pem', 'service-accounts.pem'];
const modeOf = (path: string): number => statSync(path).mode & 0o777;

/** What was logged, as text. */
function keepLog(): { logger: ReturnType<typeof createLoggers>['daemon']; text: () => string } {
  let text = '';
  const destination = new Writable({
    write(chunk, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  return { logger: createLoggers({ destination, level: 'trace' }).daemon, text: () => text };
}

t.test('the first start makes three authorities and a key pair that only the owner can read', async (t) => {
  const folder = makeFolder(t);
  const { logger, text } = keepLog();
  const authorities = await open(join(folder, 'state'), Date.now, logger);
  const pki = join(folder, 'state/pki');
  t.same(readdirSync(pki).sort(), FILES);
  t.same(readdirSync(join(folder, 'state')), ['pki'], 'nothing else is left');
  t.equal(modeOf(pki), 0o700);
  for (const file of FILES) t.equal(modeOf(join(pki, file)), 0o600, file);
  t.match(
    authorities.describe().map(({ name, subject, selfSigned }) => [name, subject, selfSigned]),
    [
      ['kubernetes', 'CN=kubernetes', true],
      ['etcd', 'CN=etcd-ca', true],
      ['front-proxy', 'CN=front-proxy-ca', true],
    ],
  );
  t.match(text(), /CN=kubernetes, RSA/);
});

t.test('a file mode mask that is wide open changes nothing of that', async (t) => {
  const folder = makeFolder(t);
  const former = process.umask(0);
  t.teardown(() => process.umask(former));
  const { logger, text } = keepLog();
  await open(folder, Date.now, logger);
  t.equal(modeOf(join(folder, 'pki')), 0o700);
  for (const file of FILES) t.equal(modeOf(join(folder, 'pki', file)), 0o600, file);
  t.notMatch(text(), /was open to other users/, 'they were so from the beginning');
});

t.test('the next start reads the same, and what was issued before is still theirs', async (t) => {
  const folder = makeFolder(t);
  const first = await open(folder);
  const second = await open(folder);
  t.same(second.describe(), first.describe());
  t.same(second.serviceAccountKeys(), first.serviceAccountKeys());
  for (const name of ['kubernetes', 'etcd', 'front-proxy'] as const) {
    t.equal(second.trustOf(name), first.trustOf(name));
    t.match(first.trustOf(name), /^-----BEGIN CERTIFICATE-----\n[^-]+-----END CERTIFICATE-----\n$/);
  }
});

t.test('no secret reaches a log, or shows when the authorities are printed', async (t) => {
  const folder = makeFolder(t);
  const { logger, text } = keepLog();
  const authorities = await open(folder, Date.now, logger);
  await open(folder, () => Date.UTC(2060, 0, 1), logger);
  chmodSync(join(folder, 'pki/etcd.pem'), 0o644);
  await open(folder, Date.now, logger);
  writeFileSync(
    join(folder, 'pki/etcd.pem'),
    readFileSync(join(folder, 'pki/etcd.pem'), 'utf8').slice(0, 900),
  );
  const error = await open(folder, Date.now, logger).catch((thrown: unknown) => thrown);
  t.match(error, { code: 'invalid-config' });
  const shown = [
    text(),
    inspect(authorities, { depth: 20, showHidden: true }),
    JSON.stringify(authorities.describe()),
    inspect(error, { depth: 20 }),
  ].join('\n');
  t.ok(text().length > 1000, 'there is a log to look at');
  t.notMatch(shown, /PRIVATE KEY/);
  const lines = FILES.map((file) => readFileSync(join(folder, 'pki', file), 'utf8'))
    .flatMap((whole) => whole.split('-----BEGIN CERTIFICATE')[0]?.split('\n') ?? [])
    .filter((line) => /^[A-Za-z0-9+/=]{40,}$/.test(line));
  t.ok(lines.length > 40, 'there are lines of keys to look for');
  t.notOk(lines.some((line) => shown.includes(line)));
});

t.test('what an interrupted first start left is cleared away, and nothing is taken from it', async (t) => {
  const folder = makeFolder(t);
  const half = join(folder, '.pki-making-0123456789ab');
  mkdirSync(half);
  writeFileSync(join(half, 'kubernetes.pem'), 'half');
  writeFileSync(join(folder, 'tinderbox.db'), '');
  mkdirSync(join(folder, 'pki'));
  await open(folder);
  t.same(readdirSync(folder).sort(), ['pki', 'tinderbox.db']);
  t.same(readdirSync(join(folder, 'pki')).sort(), FILES, 'an empty folder counts as none');
  writeFileSync(join(folder, 'pki/.etcd.pem.0123456789ab.tmp'), 'half');
  await open(folder);
  t.same(readdirSync(join(folder, 'pki')).sort(), FILES);
});

t.test('an authority that is gone or broken is not made anew: machines that run trust it', async (t) => {
  const folder = makeFolder(t);
  await open(folder);
  const pki = join(folder, 'pki');
  const foreign = makeForeignAuthority(folder);
  const read = (file: string): string => readFileSync(join(pki, file), 'utf8');
  const kubernetes = read('kubernetes.pem');
  const rows: [string, () => void, RegExp][] = [
    ['gone', () => rmSync(join(pki, 'kubernetes.pem')), /is missing/],
    ['empty', () => writeFileSync(join(pki, 'kubernetes.pem'), ''), /0 private keys/],
    ['cut off', () => writeFileSync(join(pki, 'kubernetes.pem'), kubernetes.slice(0, -40)), /cut off/],
    [
      'without its key',
      () => writeFileSync(join(pki, 'kubernetes.pem'), readFileSync(foreign.certificate)),
      /0 private keys/,
    ],
    [
      'without its certificate',
      () => copyFileSync(foreign.key, join(pki, 'kubernetes.pem')),
      /no certificate/,
    ],
    [
      "with another's key",
      () => {
        const certificate = readFileSync(foreign.certificate, 'utf8');
        writeFileSync(join(pki, 'kubernetes.pem'), read('service-accounts.pem') + certificate);
      },
      /key is not the one/,
    ],
    [
      'with a damaged key',
      () => writeFileSync(join(pki, 'kubernetes.pem'), kubernetes.replace(/KEY-----\n.{60}/, 'KEY-----\n')),
      /cannot be read|not base64/,
    ],
    [
      'a folder',
      () => (rmSync(join(pki, 'kubernetes.pem')), mkdirSync(join(pki, 'kubernetes.pem'))),
      /EISDIR/,
    ],
  ];
  for (const [label, damage, message] of rows) {
    damage();
    const error = await open(folder).catch((thrown: unknown) => thrown);
    t.match(error, { code: 'invalid-config', message: /not whole/ }, label);
    t.match(error, { problems: [{ message, file: join(pki, 'kubernetes.pem') }] }, label);
    rmSync(join(pki, 'kubernetes.pem'), { recursive: true, force: true });
    writeFileSync(join(pki, 'kubernetes.pem'), kubernetes, { mode: 0o600 });
  }
  await t.resolves(open(folder), 'put back, it works');
  rmSync(join(pki, 'etcd.pem'));
  rmSync(join(pki, 'service-accounts.pem'));
  await t.rejects(open(folder), {
    code: 'invalid-config',
    problems: [{ message: 'is missing' }, { message: 'is missing' }],
  });
});

t.test('files that others could read are closed, and that is said', async (t) => {
  const folder = makeFolder(t);
  await open(folder);
  chmodSync(join(folder, 'pki'), 0o755);
  chmodSync(join(folder, 'pki/kubernetes.pem'), 0o644);
  const { logger, text } = keepLog();
  await open(folder, Date.now, logger);
  t.equal(modeOf(join(folder, 'pki')), 0o700);
  t.equal(modeOf(join(folder, 'pki/kubernetes.pem')), 0o600);
  t.equal(text().match(/was open to other users/g)?.length, 2);
});

t.test('an expired authority, or a clock far off, does not keep the daemon from starting', async (t) => {
  const folder = makeFolder(t);
  await open(folder);
  const rows: [number, RegExp][] = [
    [
      Date.UTC(2060, 0, 1),
      /it expired on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \(it is 2060-01-01 00:00:00 UTC now\)/,
    ],
    [Date.UTC(1980, 0, 1), /it is valid from .* on only \(it is 1980-01-01 00:00:00 UTC now\)/],
  ];
  for (const [now, message] of rows) {
    const { logger, text } = keepLog();
    const authorities = await open(folder, () => now, logger);
    t.notMatch(text(), message, 'said before the start, and once is enough');
    const said = await checkFolder(join(folder, 'pki'), now);
    t.equal(said.filter((problem) => message.test(problem.message)).length, 3, 'of each authority');
    t.equal(authorities.describe().length, 3);
    await t.rejects(authorities.issue(entitlement('node')));
  }
});

t.test('with a clock that cannot be right no authority is made, and nothing is left behind', async (t) => {
  const folder = makeFolder(t);
  for (const now of [0, Date.UTC(2024, 0, 1), Date.UTC(2150, 0, 1), Number.NaN]) {
    await t.rejects(
      open(folder, () => now),
      { code: 'unavailable', remedy: /Set the clock/ },
      String(now),
    );
    t.same(readdirSync(folder), []);
  }
});

const files = (text: string) =>
  new Map([
    ['a.pem', text],
    ['b.pem', text],
  ]);

t.test('two first starts at once: one makes them, the other is told, and both files are whole', async (t) => {
  const folder = join(makeFolder(t), 'pki');
  const outcomes = await Promise.allSettled([
    createSecretFolder(folder, files('one')),
    createSecretFolder(folder, files('two')),
  ]);
  t.same(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected']);
  t.match(
    outcomes.find(({ status }) => status === 'rejected'),
    { reason: { code: 'in-use' } },
  );
  t.equal(readFileSync(join(folder, 'a.pem'), 'utf8'), readFileSync(join(folder, 'b.pem'), 'utf8'));
  t.same(readdirSync(join(folder, '..')), ['pki']);
});

t.test('a key that cannot be made leaves nothing behind', async (t) => {
  const folder = makeFolder(t);
  let made = 0;
  const keys = {
    make: () => (++made === 3 ? Promise.reject(new Error('no entropy')) : smallKeys.make(2048)),
  };
  const { logger } = keepLog();
  await t.rejects(openAuthorities({ folder: join(folder, 'pki'), clock: Date.now, keys, logger }), {
    message: 'no entropy',
  });
  t.same(readdirSync(folder), []);
});

t.test('a full disk leaves what was there, and nothing of what was to be', async (t) => {
  const folder = makeFolder(t);
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  const { certificate, key } = makeForeignAuthority(folder);
  const foreign = join(folder, 'foreign.pem');
  writeFileSync(foreign, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'));
  const script = fileURLToPath(new URL('support/full-disk.ts', import.meta.url));
  const { stdout } = await promisify(execFile)('unshare', [
    '--user',
    '--map-root-user',
    '--mount',
    '--',
    process.execPath,
    script,
    disk,
    foreign,
  ]);
  const whole = ['pki', ...FILES.map((file) => `pki/${file}`)];
  t.same(JSON.parse(stdout), {
    failures: {
      'first start, full': 'unavailable',
      'first start, room': 'worked',
      'import, full': 'unavailable',
      'import, room': 'worked',
      'start after it': 'worked',
    },
    afterFirst: [],
    made: whole,
    afterImport: whole,
    unchanged: true,
  });
  t.notOk(existsSync(join(disk, 'pki')), 'the disk was in a namespace of its own');
});
