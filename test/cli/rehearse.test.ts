import t from 'tap';
import type { SessionView } from '../../src/admin/api.ts';
import { runCli } from '../../src/cli/program.ts';
import { formatRehearsal, kindOf } from '../../src/cli/rehearse.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { Rehearsal } from '../../src/rehearse-machine.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const session: SessionView = {
  id: 1,
  mac: MAC,
  openedAt: 1,
  updatedAt: 2,
  stage: 'kernel',
  stageTimes: {},
  stalled: {
    at: 2,
    stage: 'kernel',
    diagnosis: { name: 'x', title: 'no network driver', evidence: ['nobody asked'], remedy: 'add it' },
  },
};
const stopped: Rehearsal = {
  verdict: { kind: 'stopped', reason: '600 s passed', remedy: 'give it more' },
  machine: { mac: MAC, firstSeen: 1, lastSeen: 2 },
  session,
  events: [],
  console: ['Kernel \x1b[31mpanic'],
  took: 600_000,
};

t.test('what went wrong is told last, after the screen and the diagnosis', async (t) => {
  const text = formatRehearsal(stopped);
  const places = [
    'panic',
    'Diagnosis: no network driver',
    'nobody asked',
    'add it',
    'NOT as far as it should',
  ];
  const found = places.map((place) => text.lastIndexOf(place));
  t.notOk(found.includes(-1), text);
  t.same(
    found,
    found.toSorted((a, b) => a - b),
  );
  t.notOk(text.includes('\x1b'), 'a screen cannot act on the terminal');
  t.match(
    formatRehearsal({ verdict: stopped.verdict, events: [], console: [], took: 1 }),
    /Nothing was heard/,
  );
  const reached = { ...stopped, verdict: { kind: 'reached', reason: 'it came to booted' } } as const;
  t.match(
    formatRehearsal({ ...reached, folder: '/tmp/x' }),
    /after 600.0 s: it came to booted\nLogs and files: \/tmp\/x\n$/,
  );
});

t.test('wrong usage is refused before anything starts', async (t) => {
  for (const args of [
    [],
    ['nonsense'],
    [MAC, '--arch', 'arm64'],
    [MAC, '--until', 'x'],
    [MAC, '--memory', '1'],
    [MAC, '--timeout', '0'],
  ]) {
    const said: string[] = [];
    const output = {
      out: (text: string) => void said.push(text),
      err: (text: string) => void said.push(text),
    };
    t.equal(await runCli(['rehearse', ...args], output), 2, said.join(''));
  }
});

t.test(
  'a machine is rehearsed with the firmware that it was seen with, unless another one is asked for',
  async (t) => {
    t.equal(kindOf({}, undefined), 'uefi-x64');
    t.equal(kindOf({ arch: 'x86_64', platform: 'pcbios' }, undefined), 'bios-rom');
    t.equal(kindOf({ arch: 'x86_64', platform: 'efi' }, undefined), 'uefi-x64');
    t.equal(kindOf({ arch: 'x86', platform: 'efi' }, undefined), 'uefi-x86');
    t.equal(kindOf({ arch: 'x86', platform: 'pcbios' }, undefined), 'bios-rom');
    t.equal(kindOf({ arch: 'arm64' }, undefined), 'uefi-arm64');
    t.equal(kindOf({ arch: 'arm64' }, 'uefi-arm64-http'), 'uefi-arm64-http');
    t.equal(kindOf({ arch: 'riscv64' }, 'bios'), 'bios-rom');
    for (const arch of ['arm32', 'riscv64', 'loongarch64'] as const)
      t.throws(() => kindOf({ arch }, undefined), { code: 'refused', message: new RegExp(arch) });
  },
);
