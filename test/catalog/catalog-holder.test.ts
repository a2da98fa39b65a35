import { statSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import t, { type Test } from 'tap';
import { type OpenCatalogOptions, openCatalog } from '../../src/catalog/catalog-holder.ts';
import type { TinderboxError } from '../../src/errors.ts';
import { createLoggers } from '../../src/logger.ts';
import type { Catalog } from '../../src/machine/role.ts';
import { kernelOf } from '../support/kernel-boot.ts';

async function fixture(t: Test) {
  const parent = await mkdtemp(join(tmpdir(), 'tb-hold-'));
  t.teardown(() => rm(parent, { recursive: true, force: true }));
  const dir = join(parent, 'profiles');
  const fill = async (): Promise<void> => {
    await mkdir(join(dir, 'worker'), { recursive: true });
    await writeFile(join(dir, 'worker/role.yaml'), 'boot: { kernel: /assets/k }\n');
    await writeFile(join(dir, 'machines.yaml'), 'default: worker\n');
  };
  await fill();
  const logged: { level: number; msg: string }[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      logged.push(JSON.parse(chunk.toString()) as { level: number; msg: string });
      done();
    },
  });
  const logger = createLoggers({ destination: stream }).catalog;
  const open = async (options: Partial<OpenCatalogOptions> = {}) => {
    const holder = await openCatalog({ dir, logger, checkRole: () => [], checkInterval: 0, ...options });
    t.teardown(() => holder.close());
    return holder;
  };
  const machines = (text: string) => writeFile(join(dir, 'machines.yaml'), text);
  return { dir, fill, logged, open, machines };
}

t.test('an edit takes effect for the next request; a broken one never does and is said once', async (t) => {
  const { open, machines, logged, dir } = await fixture(t);
  const swaps: [number, number][] = [];
  const told: number[] = [];
  const holder = await open({
    onSwap: (next, previous) => void swaps.push([previous.generation, next.generation]),
    onProblems: (problems) => void told.push(problems.length),
  });
  t.equal(holder.current().generation, 1);
  t.equal(holder.current().defaultRole, 'worker');

  await machines('default: none\n');
  await holder.refresh();
  t.equal(holder.current().defaultRole, null);
  t.equal(holder.current().generation, 2);

  const good = holder.current();
  await machines('default: nobody\n');
  await holder.refresh();
  await holder.refresh();
  await holder.reload();
  t.equal(holder.current(), good, 'the last good one stays, the very same object');
  t.match(holder.problems(), [{ file: join(dir, 'machines.yaml'), line: 1, column: 10 }]);
  const errors = () => logged.filter((line) => line.level === 50);
  t.equal(errors().length, 1, 'said once');
  t.match(
    errors()[0]?.msg,
    /machines\.yaml:1:10: there is no role "nobody"[\s\S]*the last good catalog stays/,
  );
  await machines('default: nobody2\n');
  await holder.refresh();
  t.equal(errors().length, 2, 'another problem is said again');

  await machines('default: worker\n');
  await holder.refresh();
  t.same(holder.problems(), []);
  t.equal(holder.current().defaultRole, 'worker');
  t.same(swaps, [
    [1, 2],
    [2, 3],
  ]);
  t.same(told, [1, 1, 0]);
});

t.test(
  'whatever way a file is replaced is seen: same size, renamed over, in a role, new, removed',
  async (t) => {
    const { open, machines, dir } = await fixture(t);
    const holder = await open();
    const kernel = () => kernelOf(holder.current(), 'worker');
    for (const letter of ['x', 'y', 'z']) {
      await writeFile(join(dir, 'worker/role.yaml'), `boot: { kernel: /assets/${letter} }\n`);
      await holder.refresh();
      t.equal(kernel(), `/assets/${letter}`, 'same size');
    }
    await writeFile(join(dir, '.new'), 'boot: { kernel: /assets/q }\n');
    await rename(join(dir, '.new'), join(dir, 'worker/role.yaml'));
    await holder.refresh();
    t.equal(kernel(), '/assets/q', 'renamed over');
    await mkdir(join(dir, 'other'));
    await writeFile(join(dir, 'other/role.yaml'), 'boot: { kernel: /assets/o }\n');
    await machines('default: other\n');
    await holder.refresh();
    t.equal(holder.current().defaultRole, 'other');
    await rm(join(dir, 'other'), { recursive: true });
    await holder.refresh();
    t.equal(
      holder.current().defaultRole,
      'other',
      'a role that is in use is gone: the last good catalog stays',
    );
    t.equal(holder.problems().length, 1);
  },
);

t.test('the folder may vanish and come back', async (t) => {
  const { open, dir, fill } = await fixture(t);
  const holder = await open();
  await rm(dir, { recursive: true });
  await holder.refresh();
  t.match(holder.problems(), [{ message: 'there is no such folder' }]);
  t.equal(holder.current().defaultRole, 'worker');
  await fill();
  await holder.refresh();
  t.same(holder.problems(), []);
  await writeFile(join(dir, 'machines.yaml'), 'default: none\n');
  await holder.refresh();
  t.equal(holder.current().defaultRole, null);
});

t.test('an edit is seen without anybody asking, also after the folder came back', async (t) => {
  const { open, machines, dir, fill } = await fixture(t);
  // The holder keeps no process alive: the daemon's sockets do.
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(alive));
  let swapped: ((catalog: Catalog) => void) | undefined;
  let failed: (() => void) | undefined;
  const nextSwap = () => new Promise<Catalog>((resolve) => (swapped = resolve));
  const holder = await open({ onSwap: (catalog) => swapped?.(catalog), onProblems: () => failed?.() });
  let swap = nextSwap();
  await machines('default: none\n');
  t.equal((await swap).defaultRole, null);
  const gone = new Promise<void>((resolve) => (failed = resolve));
  await rm(dir, { recursive: true });
  await gone;
  swap = nextSwap();
  await fill();
  t.equal((await swap).defaultRole, 'worker');
  swap = nextSwap();
  await writeFile(join(dir, 'worker/role.yaml'), 'boot: { kernel: /assets/z }\n');
  t.equal(kernelOf(await swap, 'worker'), '/assets/z', 'in a folder that is new');
  await holder.close();
});

t.test('the watch alone sees an edit in a folder that came later', async (t) => {
  const { open, dir } = await fixture(t);
  const alive = setInterval(() => undefined, 1000);
  t.teardown(() => clearInterval(alive));
  let swapped: ((catalog: Catalog) => void) | undefined;
  const nextSwap = () => new Promise<Catalog>((resolve) => (swapped = resolve));
  await open({ pollInterval: 3_600_000, onSwap: (catalog) => swapped?.(catalog) });
  for (const letter of ['x', 'y']) {
    const swap = nextSwap();
    await mkdir(join(dir, 'later'), { recursive: true });
    await writeFile(join(dir, 'later/role.yaml'), `boot: { kernel: /assets/${letter} }\n`);
    t.equal(kernelOf(await swap, 'later'), `/assets/${letter}`);
  }
});

t.test('a file that an editor has only truncated yet is not taken for an empty one', async (t) => {
  const { open, dir } = await fixture(t);
  const file = join(dir, 'machines.yaml');
  // The clock stands still at the edit while it is looked at, and the editor writes at the sixth look: however busy
  // this machine is, the file is as young as the test says.
  let frozen: number | undefined;
  let looks = 0;
  const now = (): number => {
    if (frozen !== undefined && ++looks === 6) {
      frozen = undefined;
      writeFileSync(file, 'default: worker\n');
    }
    return frozen ?? Date.now();
  };
  const holder = await open({ pollInterval: 3_600_000, now });
  const before = holder.current().generation;
  writeFileSync(file, '');
  frozen = statSync(file).ctimeMs;
  await holder.refresh();
  t.equal(looks, 6);
  await holder.refresh();
  t.equal(holder.current().generation, before, 'nobody saw it without its default');
  t.equal(holder.current().defaultRole, 'worker');
});

t.test('a clock that was set back does not put off the next look', async (t) => {
  const { open, machines } = await fixture(t);
  const time = { now: Date.now() };
  const holder = await open({ checkInterval: 250, pollInterval: 3_600_000, now: () => time.now });
  time.now -= 86_400_000;
  await machines('default: none\n');
  await holder.refresh();
  t.equal(holder.current().defaultRole, null);
});

t.test('many requests at once look once, and a touched file swaps nothing', async (t) => {
  const { open, machines } = await fixture(t);
  let checks = 0;
  const holder = await open({
    checkRole: () => {
      checks += 1;
      return [];
    },
  });
  t.equal(checks, 1);
  await Promise.all(Array.from({ length: 50 }, () => holder.refresh()));
  t.equal(checks, 1, 'nothing changed: nothing is read');
  await machines('default: worker\n');
  await Promise.all(Array.from({ length: 50 }, () => holder.refresh()));
  t.equal(checks, 2);
  t.equal(holder.current().generation, 1);
});

t.test('many who want everything read anew share a look, and each gets the newest', async (t) => {
  const { open, machines } = await fixture(t);
  let loads = 0;
  const holder = await open({
    pollInterval: 3_600_000,
    checkRole: () => {
      loads++;
      return [];
    },
  });
  const start = loads;
  const first = holder.reload();
  await machines('default: none\n');
  const asked = Array.from({ length: 20 }, async () => {
    await holder.reload();
    return holder.current().defaultRole;
  });
  t.same(
    await Promise.all(asked),
    Array.from({ length: 20 }, () => null),
  );
  await first;
  // One that ran, one that all waited for, one that the watch asked for; each reads up to three times.
  t.ok(loads - start <= 9, `read ${loads - start} times`);
});

t.test('at the start a broken folder is refused with all problems, and warnings are said', async (t) => {
  const { open, machines, logged, dir } = await fixture(t);
  await mkdir(join(dir, 'notes'));
  const holder = await open();
  t.equal(holder.warnings().length, 1);
  t.equal(logged.filter((line) => line.level === 40).length, 1);
  await machines('default: 1\nx: 2\n');
  const error = await open().then(
    () => undefined,
    (thrown: unknown) => thrown as TinderboxError,
  );
  t.equal(error?.code, 'invalid-catalog');
  t.equal(error?.problems.filter((problem) => problem.severity === 'error').length, 2);
});
