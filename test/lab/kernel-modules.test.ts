import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { collectModules } from '../../src/lab/kernel-modules.ts';

const module = (depends: string): Buffer =>
  Buffer.from(`\u007fELF…\0license=GPL\0depends=${depends}\0name=x\0`);

t.test('collects what modules depend on, in loading order', async (t) => {
  const folder = t.testdir({
    'modules.builtin': 'kernel/lib/crc-ccitt.ko\n',
    kernel: {
      net: {
        'virtio_net.ko': module('net_failover,virtio-ring'),
        'net_failover.ko': module('failover'),
        'failover.ko': module(''),
      },
      virtio: { 'virtio-ring.ko': module('crc_ccitt'), 'unused.ko': module('missing') },
    },
  });
  const names = async (wanted: readonly string[]) =>
    (await collectModules(folder, wanted)).map(({ name }) => name);
  t.same(await names(['virtio_net']), ['failover', 'net_failover', 'virtio_ring', 'virtio_net']);
  t.same(await names(['virtio-ring', 'virtio_net']), [
    'virtio_ring',
    'failover',
    'net_failover',
    'virtio_net',
  ]);
  t.same(await names(['crc_ccitt']), [], 'what is built in needs no file');
  await t.rejects(names(['unused']), { code: 'not-found', message: /no module missing/ });
});

t.test('unpacks compressed modules', async (t) => {
  const folder = t.testdir({ kernel: {} });
  await writeFile(`${folder}/kernel/a.ko.gz`, gzipSync(module('b')));
  await writeFile(`${folder}/kernel/b.ko.xz`, execFileSync('xz', ['--stdout'], { input: module('') }));
  const modules = await collectModules(folder, ['a']);
  t.same(
    modules.map(({ name }) => name),
    ['b', 'a'],
  );
  t.same(
    modules.map(({ content }) => Buffer.from(content).toString('latin1', 1, 4)),
    ['ELF', 'ELF'],
  );
});
