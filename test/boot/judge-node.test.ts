import t from 'tap';
import { judgeNode, type NodeBoot, rememberBoot } from '../../src/boot/judge-node.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { BootSession } from '../../src/machine/session.ts';

const session: BootSession = {
  id: 7,
  mac: '52:54:00:00:00:01' as Mac,
  openedAt: 1_000,
  updatedAt: 5_000,
  stage: 'config',
  stageTimes: {},
  lastStage: 'ready',
  formerBootId: 'before',
};
const node = { name: 'node-1', ready: true, reason: 'KubeletReady' };

interface Row {
  readonly name: string;
  readonly boot: NodeBoot;
  readonly session?: Partial<BootSession>;
  readonly counts: boolean;
  readonly reason: RegExp;
}

const rows: readonly Row[] = [
  {
    name: 'with a boot ID that came up during the session',
    boot: { bootId: 'now', seenAt: 4_000 },
    counts: true,
    reason: /came up during session 7/,
  },
  {
    name: 'with a boot ID that came up as the session opened',
    boot: { bootId: 'now', seenAt: 1_000 },
    counts: true,
    reason: /came up during/,
  },
  {
    name: 'with a boot ID seen before the session opened: it is what was left of an earlier boot',
    boot: { bootId: 'old', seenAt: 999 },
    session: { stage: 'booted' },
    counts: false,
    reason: /of an earlier boot/,
  },
  {
    name: 'with the boot ID that made the session before ready, though first seen now (a daemon that was restarted)',
    boot: { bootId: 'before', seenAt: 4_000 },
    session: { stage: 'booted' },
    counts: false,
    reason: /machine's boot before/,
  },
  {
    name: 'before the machine fetched its configuration',
    boot: { bootId: 'now', seenAt: 4_000 },
    session: { stage: 'initrd' },
    counts: false,
    reason: /not fetched its configuration yet \(stage initrd\)/,
  },
  {
    name: 'with the boot ID that made this session ready, whenever it was seen',
    boot: { bootId: 'mine', seenAt: 1 },
    session: { bootId: 'mine', stage: 'ready', end: 'ready' },
    counts: true,
    reason: /the one of this boot/,
  },
  {
    name: 'without a boot ID, before the machine said that it booted',
    boot: { bootId: undefined, seenAt: 4_000 },
    counts: false,
    reason: /no boot ID, and the machine has not said/,
  },
  {
    name: 'without a boot ID, once the machine said that it booted',
    boot: { bootId: undefined, seenAt: 1 },
    session: { stage: 'booted' },
    counts: true,
    reason: /no boot ID; the machine itself said/,
  },
];

for (const { name, boot, session: more, counts, reason } of rows) {
  t.test(`a Node ${name} ${counts ? 'counts' : 'does not count'}`, (t) => {
    const verdict = judgeNode(node, boot, { ...session, ...more });
    t.match(verdict, { counts, ready: counts });
    t.match(verdict.reasons, [/^Node node-1 is Ready \(KubeletReady\)$/, reason]);
    const down = judgeNode({ ...node, ready: false, reason: '' }, boot, { ...session, ...more });
    t.match(down, { counts, ready: false, reasons: [/^Node node-1 is not Ready$/] });
    t.end();
  });
}

t.test('a boot is remembered from when its ID was first seen', (t) => {
  const first = rememberBoot(undefined, 'a', 1_000);
  t.same(first, { bootId: 'a', seenAt: 1_000 });
  t.equal(rememberBoot(first, 'a', 2_000), first);
  t.same(rememberBoot(first, 'b', 3_000), { bootId: 'b', seenAt: 3_000 });
  t.end();
});
