import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { toTinderboxError } from '../../src/errors.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { PowerAction, Redfish } from '../../src/machine/power.ts';
import { chooseReset, controlByRedfish } from '../../src/power/redfish.ts';
import { makeTlsFiles } from '../support/make-tls-files.ts';
import { type RedfishServer, type RedfishVariant, startRedfishServer } from '../support/redfish-server.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const folder = await mkdtemp(join(tmpdir(), 'tb-redfish-'));
t.teardown(() => rm(folder, { recursive: true }));
const passwordFile = join(folder, 'password');
await writeFile(passwordFile, 'secret-7\n', { mode: 0o600 });
const files = makeTlsFiles(folder, '127.0.0.1');
const ca = files.certificate;
const pem = { key: await readFile(files.key, 'utf8'), certificate: await readFile(ca, 'utf8') };

const start = (variant: Partial<RedfishVariant> = {}) => startRedfishServer({ ...pem, ...variant });
const control = (
  { url }: Pick<RedfishServer, 'url'>,
  action: PowerAction,
  over: Partial<Redfish> = {},
  pxe = false,
  patience = 20_000,
) => {
  const settings: Redfish = { kind: 'redfish', url, user: 'tinderbox', passwordFile, ca, ...over };
  return controlByRedfish(settings, { mac: MAC, settings, action, pxe, efi: true }, patience);
};
const reset = (type: string) => `POST ComputerSystem.Reset {"ResetType":"${type}"}`;

t.test('a machine is asked, turned off, on, and off and on, by its controller', async (t) => {
  await using server = await start();
  t.match(await control(server, 'status'), { state: 'on', notes: [] });
  t.same(server.asked, [], 'who only asks changes nothing');
  t.match(await control(server, 'off'), { state: 'on', did: 'ComputerSystem.Reset ForceOff' });
  t.match(await control(server, 'status'), { state: 'off' });
  t.match(await control(server, 'cycle', {}, true), {
    state: 'off',
    did: 'ComputerSystem.Reset On',
    notes: [],
  });
  t.match(await control(server, 'cycle'), { state: 'on', did: 'ComputerSystem.Reset ForceRestart' });
  t.same(server.asked, [
    reset('ForceOff'),
    'PATCH 437XR1138R2 {"Boot":{"BootSourceOverrideEnabled":"Once","BootSourceOverrideTarget":"Pxe"}}',
    reset('On'),
    reset('ForceRestart'),
  ]);
});

t.test(
  'controllers differ: an ETag that must come back, a boot order that cannot be set, other resets',
  async (t) => {
    await using strict = await start({ wantsEtag: true });
    t.match(await control(strict, 'cycle', {}, true), { notes: [] });
    await using fixed = await start({ refusesPatch: true });
    const { notes } = await control(fixed, 'cycle', {}, true);
    t.match(notes, [
      /next boot could not be set to the network: .* 400 .* The property Boot is a read only property\. Basic … …$/,
    ]);
    await using disks = await start({ bootTargets: ['None', 'Hdd'] });
    t.match(await control(disks, 'cycle', {}, true), { notes: [/does not know Pxe/] });
    t.same(disks.asked, [reset('ForceRestart')]);
    await using few = await start({ resetTypes: ['On', 'GracefulShutdown'] });
    t.match(await control(few, 'off'), { did: 'ComputerSystem.Reset GracefulShutdown' });
    await t.rejects(
      control(few, 'on').then(() => control(few, 'cycle')),
      { code: 'refused', remedy: /On, GracefulShutdown/ },
    );
    t.equal(chooseReset('on', undefined, undefined), 'On');
  },
);

t.test('of several systems one must be named', async (t) => {
  await using server = await start({ systems: ['blade-1', 'blade-2'] });
  await t.rejects(control(server, 'status'), { code: 'not-found', remedy: /blade-1, blade-2/ });
  await t.rejects(control(server, 'status', { system: 'blade-3' }), { code: 'not-found' });
  t.match(await control(server, 'off', { system: 'blade-2' }), { state: 'on' });
});

t.test('what goes wrong is said, and what to do, without the password', async (t) => {
  const open = join(folder, 'open');
  await writeFile(open, 'secret-7\n');
  await chmod(open, 0o644);
  const empty = join(folder, 'empty');
  await writeFile(empty, '\nsecret-7\n', { mode: 0o600 });
  const wrong = join(folder, 'wrong');
  await writeFile(wrong, 'secret-8\n', { mode: 0o600 });
  await using server = await start();
  await using silent = await start({ silent: true });
  await using elsewhere = await start({ path: '//198.51.100.1/redfish/v1/Systems/x' });
  const rows: readonly [string, () => Promise<unknown>, object][] = [
    [
      'a wrong password',
      () => control(server, 'off', { passwordFile: wrong }),
      { code: 'refused', message: /does not accept tinderbox \(401\)/, remedy: /wrong/ },
    ],
    [
      'a file that others may read',
      () => control(server, 'off', { passwordFile: open }),
      { code: 'refused', remedy: /chmod 0600/ },
    ],
    [
      'an empty first line',
      () => control(server, 'off', { passwordFile: empty }),
      { code: 'refused', message: /no password/ },
    ],
    [
      'no file',
      () => control(server, 'off', { passwordFile: join(folder, 'none') }),
      { code: 'not-found', message: /there is no/ },
    ],
    [
      'a folder',
      () => control(server, 'off', { passwordFile: folder }),
      { code: 'refused', message: /no regular file/ },
    ],
    [
      'a certificate from nobody',
      () => controlWithout(server),
      { code: 'refused', message: /from nobody that is known/, remedy: /`ca:`/ },
    ],
    [
      'a certificate for another name',
      () => control({ url: server.url.replace('127.0.0.1', 'localhost') }, 'off'),
      { code: 'refused', message: /ALTNAME/ },
    ],
    [
      'no authority there',
      () => control(server, 'off', { ca: join(folder, 'none.pem') }),
      { code: 'not-found' },
    ],
    [
      'nobody listens',
      () => control({ url: 'https://127.0.0.1:1' }, 'off'),
      { code: 'unavailable', message: /ECONNREFUSED/ },
    ],
    [
      'no answer',
      () => control(silent, 'off', {}, false, 200),
      { code: 'unavailable', message: /within 0.2 s/ },
    ],
    ['a path to another host', () => control(elsewhere, 'off'), { code: 'refused', message: /another host/ }],
  ];
  for (const [name, run, expected] of rows) {
    const error = await run().then(
      () => t.fail(name),
      (thrown: unknown) => toTinderboxError(thrown),
    );
    t.match(error, expected, name);
    t.notMatch(
      JSON.stringify([error, String(error), String((error as Error).cause)]),
      /secret|c2VjcmV0/,
      `${name}: no secret`,
    );
  }
  t.same(server.asked, []);
  const { url } = server;
  const settings: Redfish = { kind: 'redfish', url, user: 'tinderbox', passwordFile, insecure: true };
  t.match(await controlByRedfish(settings, { mac: MAC, settings, action: 'status', pxe: false, efi: true }), {
    state: 'on',
  });
});

function controlWithout({ url }: RedfishServer) {
  const settings: Redfish = { kind: 'redfish', url, user: 'tinderbox', passwordFile };
  return controlByRedfish(settings, { mac: MAC, settings, action: 'off', pxe: false, efi: true });
}
