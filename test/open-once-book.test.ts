import t from 'tap';
import { createLoggers } from '../src/logger.ts';
import type { Mac } from '../src/machine/mac.ts';
import type { OnceUse } from '../src/machine/once.ts';
import type { MachineEntry } from '../src/machine/role.ts';
import { openOnceBook } from '../src/open-once-book.ts';
import { makeCatalog } from './support/make-environment.ts';

const alice = '52:54:00:00:00:0a' as Mac;
const bob = '52:54:00:00:00:0b' as Mac;
const carol = '52:54:00:00:00:0c' as Mac;

function entry(mac: Mac): MachineEntry {
  return {
    mac,
    role: 'local',
    once: 'install',
    parameters: {},
    line: 1,
  };
}

async function open(stored: readonly OnceUse[], isUnknown: boolean) {
  const written: string[] = [];
  const lines: string[] = [];
  const sink = { write: (line: string) => void lines.push(line) } as unknown as NodeJS.WritableStream;
  const book = await openOnceBook({
    store: {
      putOnceUse: async ({ mac }) => void written.push(`put ${mac}`),
      dropOnceUse: async (mac) => void written.push(`drop ${mac}`),
      holdOnceUses: async (uses) => void written.push(`hold ${uses.map(({ mac }) => mac).join(' ')}`),
    },
    stored,
    catalog: { current: () => makeCatalog([entry(alice), entry(bob)]) },
    journal: { sessionOf: () => undefined },
    isUnknown,
    logger: createLoggers({ level: 'warn', destination: sink }).store,
    now: () => 5,
  });
  return { book, written, lines };
}

const used = (mac: Mac): OnceUse => ({ mac, role: 'install', since: 1, tries: 1, doneAt: 2 });

t.test(
  'what was used up stays so over a restart, and what left machines.yaml meanwhile is forgotten',
  async (t) => {
    const { book, written, lines } = await open([used(alice), used(carol)], false);
    t.same([book.useOf(alice), book.useOf(bob), book.useOf(carol)], [used(alice), undefined, undefined]);
    t.same(written, [`drop ${carol}`]);
    t.same(lines, []);
  },
);

t.test(
  'where successes may be unknown, machines that are not known to have had one wait, and are named',
  async (t) => {
    const { book, written, lines } = await open([used(alice)], true);
    t.match(book.useOf(bob), { isUnknown: true, tries: 0 });
    t.same(book.useOf(alice), used(alice));
    t.same(written, [`hold ${bob}`]);
    t.match(lines.join(''), new RegExp(`"machines":\\["${bob}"\\].*1 of them wait`));
  },
);
