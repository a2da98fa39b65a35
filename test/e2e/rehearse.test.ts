import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { startLab } from '../support/start-lab.ts';

const MAC = '52:54:00:12:34:56';

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const folders = async () =>
  (await readdir(tmpdir())).filter((name) => name.startsWith('tinderbox-rehearsal-'));

t.test(
  'a machine is rehearsed with the files of a running daemon, which notices nothing',
  { timeout: 400_000 },
  async (t) => {
    await using lab = await startLab({
      mode: 'server',
      machinesYaml: `machines:\n  ${MAC}: { role: demo, hostname: matrix-1 }\ndefault: none\n`,
    });
    // As an operator does it: beside the daemon, where the interface is.
    const rehearse = (...args: readonly string[]): Promise<Ended> => {
      const command = [join(import.meta.dirname, '../../bin/tinderbox'), 'rehearse', MAC, ...args];
      const [program = '', ...rest] = lab.network.namespace.enter([
        'env',
        '-u',
        'NODE_OPTIONS',
        ...command,
        '--config',
        join(lab.folder, 'tinderbox.yaml'),
      ]);
      return new Promise((resolve) => {
        execFile(program, rest, { maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
          resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr }),
        );
      });
    };
    const before = await folders();

    const booted = await rehearse(
      '--role',
      'demo-router',
      '--arch',
      'bios-ipxe',
      '--memory',
      '512',
      '--json',
    );
    t.equal(booted.code, 0, booted.stderr);
    const outcome = JSON.parse(booted.stdout) as { events: readonly object[] };
    t.match(outcome, {
      mac: MAC,
      ok: true,
      firmware: 'bios-ipxe',
      session: { role: 'demo-router', hostname: 'matrix-1', stage: 'booted', end: 'booted' },
    });
    t.ok(outcome.events.length > 10, 'with its timeline');
    t.match(booted.stderr, /never seen: its UUID and serial are made up/);
    t.match(booted.stderr, /s {2}kernel {6}GET \/assets\/live\/vmlinuz/, 'progress is told on the way');

    const short = await rehearse('--arch', 'bios-ipxe', '--timeout', '1s', '--memory', '512', '--screen');
    t.equal(short.code, 1, short.stderr);
    t.match(
      short.stdout,
      /NOT as far as it should, after [\d.]+ s: 1 s passed\n/,
      'a time that is too short is no success',
    );

    t.same(JSON.parse(await lab.tinderbox('machines', '--json')), [], 'the real daemon has seen nobody');
    t.notMatch(await lab.tinderbox('render', MAC), /role demo-router/, 'and the assignment is what it was');
    t.same(await folders(), before, 'nothing is left behind');

    const missing = await rehearse('--role', 'nobody', '--arch', 'bios-ipxe');
    t.match(missing, { code: 1, stderr: /nobody/ });
    t.match(await rehearse('--until', 'nonsense'), { code: 2 });
  },
);
