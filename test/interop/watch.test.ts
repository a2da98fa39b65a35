import { once } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import type { NetworkNamespace } from '../../src/lab/namespace.ts';
import { createSite, waitUntil } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const ENTER = '\x1b[?1049h';
const LEAVE = '\x1b[?1049l';

/** `tinderbox watch` on a terminal of its own (util-linux's script), of 20 lines. */
function watchOnTerminal(namespace: NetworkNamespace, folder: string, environment = '') {
  const command = `stty rows 20 cols 100; exec env -u NODE_OPTIONS -u NO_COLOR TERM=xterm LC_ALL=C.UTF-8 ${environment} ${ROOT}bin/tinderbox watch`;
  const child = namespace.spawn(['script', '-qec', command, '/dev/null'], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => void (text += chunk.toString('utf8')));
  const ended = once(child, 'close').then(() => child.exitCode);
  return {
    text: () => text,
    frames: () => text.split('\x1b[H').map(stripVTControlCharacters),
    sees: (pattern: RegExp) =>
      waitUntil(`${pattern} is on the terminal`, () => pattern.test(text), {
        limit: 60_000,
        unless: ended.then((code) => `it ended with ${code}: ${text}`),
      }),
    type: (keys: string) => child.stdin?.write(keys),
    ended,
  };
}

t.test(
  'the fleet is watched on a terminal, over a restart of the daemon',
  { timeout: 120_000 },
  async (t) => {
    await using lab = await createLab();
    const { namespace } = lab.network;
    await using site = await createSite(namespace);
    t.match(await site.run('watch'), { code: 1, stderr: /not running/ });
    const daemon = await site.serve();
    const client = await lab.addClient('10.77.0.3/24');

    const screen = watchOnTerminal(namespace, site.folder);
    await screen.sees(/no machine was seen yet/);
    const lines = namespace.spawn([`${ROOT}bin/tinderbox`, 'watch', '--json', '--role', 'worker'], {
      cwd: site.folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    lines.stdout?.on('data', (chunk: Buffer) => void (printed += chunk.toString('utf8')));
    await bootMachines(client, {
      interface: 'eth0',
      count: 30,
      firstMac: 0x525400000001,
      arch: 'uefi-x64',
      until: 'report',
    });
    await screen.sees(/30 machines: 30 booted/);
    await screen.sees(/█{8}░ booted/);
    await screen.sees(/… and 15 more/);
    t.ok(screen.text().includes('\x1b[32m'), 'in colours');

    daemon.signal('SIGTERM');
    await daemon.ended;
    await screen.sees(/the daemon does not answer/);
    const before = screen.frames().length;
    await site.serve();
    await waitUntil('it is live again', () =>
      screen
        .frames()
        .slice(before)
        .some((frame) => /30 booted/.test(frame) && !/does not answer/.test(frame)),
    );

    screen.type('q');
    t.equal(await screen.ended, 0, 'q ends it');
    t.equal(screen.text().split(ENTER).length, 2);
    t.ok(screen.text().trimEnd().endsWith(LEAVE), 'and what was on the terminal comes back');

    const plain = watchOnTerminal(namespace, site.folder, 'NO_COLOR=1');
    await plain.sees(/30 machines/);
    plain.type('\x03');
    t.equal(await plain.ended, 0, 'so does Ctrl-C');
    t.ok(plain.text().trimEnd().endsWith(LEAVE));
    t.notOk(
      ['\x1b[0m', '\x1b[1m', '\x1b[32m'].some((code) => plain.text().includes(code)),
      'no colours under NO_COLOR',
    );

    await waitUntil('the last line is printed', () => printed.split('"stage":"booted"').length === 31);
    lines.kill('SIGINT');
    await once(lines, 'close');
    t.equal(lines.exitCode, 0);
    const changes = printed
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { kind: string });
    t.same(
      changes.filter(({ kind }) => kind !== 'machine').map(({ kind }) => kind),
      ['disconnected', 'connected'],
    );
  },
);
