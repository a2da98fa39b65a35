import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Sqlite from 'better-sqlite3';
import type { AdminClient } from '../../src/admin/client.ts';
import type { NetworkNamespace } from '../../src/lab/namespace.ts';
import type { Random } from './random.ts';
import type { Life, SoakDaemon } from './soak-daemon.ts';
import { BROKEN_MACHINES, kernelFile, machinesYaml, templateFile } from './soak-files.ts';

/** What a fault may do. Whatever it brings about must be over when it resolves. */
export interface FaultContext {
  readonly daemon: SoakDaemon;
  readonly client: AdminClient;
  readonly flooder: NetworkNamespace;
  readonly random: Random;
  readonly listed: number;
  readonly life: () => Life;
  /** Ends the daemon by a signal and starts it again: boots that were under way meanwhile may fail. */
  readonly restart: (signal: 'SIGKILL' | 'SIGTERM') => Promise<void>;
  /** What happens while it lasts, and a little after, is excused. */
  readonly disturb: (work: () => Promise<void>) => Promise<void>;
  /** A kernel that is about to be served. */
  readonly knowKernel: (content: Uint8Array) => void;
  readonly machine: () => string;
}

interface Fault {
  /** How often it comes in a round of all. */
  readonly times: number;
  readonly run: (context: FaultContext) => Promise<void>;
}

const SEND_DISCOVERS = join(import.meta.dirname, '../interop/support/send-discovers.ts');
const SEND_SCRIPTS = join(import.meta.dirname, '../interop/support/send-scripts.ts');
const MIB = 1024 * 1024;
/** Milliseconds; a flood takes seconds where there is a processor for it. */
const FLOOD_PATIENCE = 300_000;

export const FAULTS: Readonly<Record<string, Fault>> = {
  reload: {
    times: 2,
    async run({ client }) {
      await client.reload();
    },
  },
  SIGHUP: {
    times: 2,
    async run({ life }) {
      life().signal('SIGHUP');
    },
  },
  'machines.yaml edited': {
    times: 3,
    async run({ daemon, listed, random }) {
      await daemon.replace('profiles/machines.yaml', machinesYaml(listed, random));
    },
  },
  'machines.yaml broken': {
    times: 3,
    async run({ daemon, client, listed, random }) {
      await daemon.replace('profiles/machines.yaml', random.pick(BROKEN_MACHINES));
      const { problems } = await client.reload();
      if (problems.length === 0) throw new Error('a broken machines.yaml was taken');
      await delay(random.between(200, 1_500));
      await daemon.replace('profiles/machines.yaml', machinesYaml(listed, random));
      const after = await client.reload();
      if (after.problems.length > 0)
        throw new Error(`a mended machines.yaml is refused: ${after.problems[0]?.message}`);
    },
  },
  'template edited': {
    times: 1,
    async run({ daemon, random }) {
      const role = random.pick(['worker', 'other']);
      await daemon.replace(`profiles/${role}/cloud-config.yaml.hbs`, templateFile(random));
    },
  },
  'asset replaced': {
    times: 3,
    async run({ daemon, random, knowKernel }) {
      const kernel = kernelFile(random);
      knowKernel(kernel);
      await daemon.replace('assets/vmlinuz', kernel);
    },
  },
  'flood of DISCOVERs': {
    times: 1,
    async run({ flooder, random }) {
      await flooder.run([process.execPath, SEND_DISCOVERS, String(200 + random.below(1_000)), '500'], {
        timeout: FLOOD_PATIENCE,
      });
    },
  },
  'flood of scripts': {
    times: 1,
    async run({ flooder, random }) {
      await flooder.run([process.execPath, SEND_SCRIPTS, String(100 + random.below(400)), '100'], {
        timeout: FLOOD_PATIENCE,
      });
    },
  },
  'log level changed': {
    times: 1,
    async run({ client }) {
      await client.changeLog({ level: 'debug', part: 'tftp', seconds: 3 });
    },
  },
  'machine traced': {
    times: 1,
    async run({ daemon, machine }) {
      await daemon.run('log', '--trace', machine(), '--for', '20s');
    },
  },
  'timeline read': {
    times: 2,
    async run({ daemon, machine }) {
      await daemon.run('machines', machine());
    },
  },
  'kill -9': { times: 1, run: ({ restart }) => restart('SIGKILL') },
  SIGTERM: { times: 1, run: ({ restart }) => restart('SIGTERM') },
  'disk full': {
    times: 1,
    run: ({ daemon, random, disturb }) =>
      disturb(async () => {
        const filler = join(daemon.state, 'filler');
        emptyWal(join(daemon.state, 'tinderbox.db'));
        await fill(filler);
        await delay(random.between(500, 4_000));
        await rm(filler, { force: true });
        // A write that was refused is tried again after a second.
        await delay(2_000);
      }),
  },
};

/** What a former burst left of the WAL has room for a minute of history: without it the next commit needs the disk. */
function emptyWal(file: string): void {
  const database = new Sqlite(file);
  database.pragma('wal_checkpoint(TRUNCATE)');
  database.close();
}

/** Until there is no room left. */
async function fill(file: string): Promise<void> {
  await using handle = await open(file, 'w');
  for (let block = new Uint8Array(MIB); block.length >= 512; block = block.subarray(0, block.length / 2)) {
    try {
      for (;;) await handle.write(block);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}
