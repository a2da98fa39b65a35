import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { ConsoleLineView, ConsoleView } from '../../src/admin/console-api.ts';
import {
  addAddress,
  addBridge,
  addVethPair,
  createNamespace,
  joinBridge,
  stopProcess,
} from '../../src/lab/namespace.ts';
import type { BootEvent } from '../../src/machine/event.ts';
import { filesOf } from '../profiles/support/cloud-config.ts';
import { renderRole } from '../profiles/support/render-role.ts';
import { askScript, curl } from './support/curl.ts';
import { CONFIG, createSite, type Site, waitUntil } from './support/daemon-site.ts';

const server = await createNamespace('syslog');
const machine = await createNamespace('machine');
t.teardown(() => Promise.all([machine[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]));
await addBridge(server, 'br0', '10.77.0.1/24');
await addVethPair({ namespace: server, name: 'port0' }, { namespace: machine, name: 'eth0' });
await joinBridge(server, 'port0', 'br0');
await addAddress(machine, 'eth0', '10.77.0.50/24');
const folder = await mkdtemp(join(tmpdir(), 'tinderbox-syslog-'));
t.teardown(() => rm(folder, { recursive: true }));

const MAC = '52:54:00:12:34:56';
const LOGGER = ['logger', '--server', '10.77.0.1', '--port', '514', '--udp'];

async function consoleOf(site: Site): Promise<readonly ConsoleLineView[]> {
  const socket = join(site.folder, 'var/admin.sock');
  const url = `http://tinderbox/api/v1/machines/${MAC}/console`;
  const { body } = await curl(server, url, '--unix-socket', socket);
  return (JSON.parse(body) as ConsoleView).lines;
}

/** Resolves when a line with this text has come in. */
async function lineOf(site: Site, text: string): Promise<ConsoleLineView> {
  let found: ConsoleLineView | undefined;
  await waitUntil(`"${text}" is on the console`, async () => {
    found = (await consoleOf(site)).find((line) => line.text.includes(text));
    return found !== undefined;
  });
  return found as ConsoleLineView;
}

await t.test("what util-linux's logger sends is understood in both of its formats", async (t) => {
  await using site = await createSite(server);
  await site.serve();
  await askScript(machine, MAC);
  await machine.run([
    ...LOGGER,
    '--rfc3164',
    '--tag',
    'old',
    '--priority',
    'daemon.err',
    'in the old: format',
  ]);
  t.match(await lineOf(site, 'in the old'), {
    facility: 'daemon',
    severity: 'err',
    program: 'old',
    text: 'in the old: format',
  });
  await machine.run([...LOGGER, '--rfc5424', '--tag', 'new', '--id=7', 'in the new [format]']);
  t.match(await lineOf(site, 'in the new'), {
    facility: 'user',
    severity: 'notice',
    program: 'new',
    text: 'in the new [format]',
  });
  await machine.run([...LOGGER, '--tag', 'ipxe', 'failed (https://ipxe.org/3e11628e)']);
  const { stdout } = await site.run('machines', MAC);
  t.match(
    stdout,
    /ipxe: failed.*\n +why: iPXE's error 3e11628e: a URL has a name and no DNS server is known/,
  );
});

await t.test(
  'the script of the role rescue sends what the kernel printed, with its priorities',
  async (t) => {
    await using site = await createSite(server);
    await site.serve();
    await askScript(machine, MAC);
    const script = filesOf(renderRole('rescue')).get('/opt/tinderbox/console') ?? '';
    // This host's own kernel may be silent, or not to be asked: dmesg is the only part that is not real.
    await writeFile(
      join(folder, 'dmesg'),
      '#!/bin/sh\nprintf "<6>[    1.758426] eth0: up\\n<3>[   12.5] EXT4-fs error\\n"\n',
      {
        mode: 0o755,
      },
    );
    await writeFile(join(folder, 'console'), script, { mode: 0o755 });
    await machine.run(['env', `PATH=${folder}:/usr/bin:/bin`, join(folder, 'console')]);
    t.match(await lineOf(site, 'EXT4-fs'), {
      program: 'kernel',
      severity: 'err',
      text: '[   12.5] EXT4-fs error',
    });
    t.match(await lineOf(site, 'eth0: up'), { program: 'kernel', severity: 'info' });
  },
);

await t.test('rsyslog forwards in the formats that it has', async (t) => {
  await using site = await createSite(server);
  await site.serve();
  await askScript(machine, MAC);
  for (const format of [
    'RSYSLOG_TraditionalForwardFormat',
    'RSYSLOG_ForwardFormat',
    'RSYSLOG_SyslogProtocol23Format',
  ]) {
    const socket = join(folder, format);
    const file = join(folder, 'rsyslog.conf');
    await writeFile(
      file,
      `module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="${socket}")
*.* action(type="omfwd" target="10.77.0.1" port="514" protocol="udp" template="${format}")
`,
    );
    const rsyslog = machine.spawn(['rsyslogd', '-n', '-f', file, '-i', join(folder, 'pid')]);
    try {
      const send = [
        'logger',
        '--socket',
        socket,
        '--tag',
        'sshd',
        '--id=12',
        '-p',
        'auth.warning',
        `by ${format}`,
      ];
      // Again and again: what comes while it starts is lost.
      await waitUntil(`a line by ${format} came`, async () => {
        await machine.run(send).catch(() => undefined);
        return (await consoleOf(site)).some(({ text }) => text.includes(`by ${format}`));
      });
      const { text, program, facility, severity } = await lineOf(site, `by ${format}`);
      t.strictSame([text, program, facility, severity], [`by ${format}`, 'sshd', 'auth', 'warning'], format);
    } finally {
      await stopProcess(rsyslog);
    }
  }
});

await t.test(
  'nobody that the server does not know gets a console, and hostile bytes do no harm',
  async (t) => {
    await using site = await createSite(server);
    const daemon = await site.serve();
    await machine.run([...LOGGER, 'from a stranger']);
    const socket = join(site.folder, 'var/admin.sock');
    const counters = async () => {
      const { body } = await curl(server, 'http://tinderbox/api/v1/status', '--unix-socket', socket);
      return (JSON.parse(body) as { counters: Record<string, number> }).counters;
    };
    await waitUntil('it is counted', async () => (await counters())['syslog.unknown-sender'] === 1);
    await askScript(machine, MAC);
    const script = `for size in 0 1 100 1400 60000; do head -c "$size" /dev/urandom; sleep 0.05; done >/dev/udp/10.77.0.1/514
printf '<6>\\033[2J\\033]0;owned\\007clean <b>text</b>' >/dev/udp/10.77.0.1/514`;
    await machine.run(['bash', '-c', script]);
    t.equal((await lineOf(site, 'clean')).text, '0;ownedclean <b>text</b>');
    const { stdout } = await site.run('machines', MAC, '--console');
    // oxlint-disable-next-line no-control-regex
    t.notMatch(stdout, /[\u0000-\u0009\u000b-\u001f]/);
    daemon.signal('SIGTERM');
    t.equal((await daemon.ended).code, 0);
  },
);

await t.test('a port that another program holds is said, and machines boot all the same', async (t) => {
  await using site = await createSite(server);
  const holder = server.spawn(['node', '-e', `require('node:dgram').createSocket('udp4').bind(514)`]);
  t.teardown(() => stopProcess(holder));
  await waitUntil('it is held', async () => (await server.run(['ss', '-Hlnu'])).includes(':514'));
  const daemon = await site.serve();
  t.match(daemon.log(), /syslog: UDP port 514 on br0 is held by node/);
  t.match(daemon.log(), /write `syslog: \{ port: off \}` in tinderbox\.yaml/);
  t.ok((await askScript(machine, MAC)).session);
  await stopProcess(holder);
  await waitUntil('it is tried again', async () => {
    await machine.run([...LOGGER, 'at last']);
    return (await consoleOf(site)).length > 0;
  });
});

await t.test('where it is off nothing listens, and nobody is told of it', async (t) => {
  await using site = await createSite(server, { 'tinderbox.yaml': `${CONFIG}syslog: { port: off }\n` });
  await site.serve();
  t.notMatch(await server.run(['ss', '-Hlnu']), /:514\b/);
  t.notMatch((await curl(machine, 'http://10.77.0.1/boot.ipxe')).body, /syslog/);
  const { events } = JSON.parse(
    (await askScript(machine, MAC), await site.run('machines', MAC, '--json')).stdout,
  ) as { events: readonly BootEvent[] };
  t.notOk(events.some(({ kind }) => kind === 'syslog.line'));
});
