import t from 'tap';
import { LAB_PACKAGES } from '../../src/lab/debian-packages.ts';
import { MACHINE_KINDS, packagesOf, processorOf } from '../../src/lab/machine-kinds.ts';

t.test('an arm64 machine needs an emulator of its own, and no other machine needs that one', async (t) => {
  for (const kind of MACHINE_KINDS) {
    const isArm = kind.includes('arm64');
    t.equal(processorOf(kind), isArm ? 'arm64' : 'amd64', kind);
    t.equal(packagesOf(kind).includes('qemu-system-arm'), isArm, kind);
  }
  t.notOk(
    LAB_PACKAGES.some((name) => /arm|aarch64/.test(name)),
    'nor does every demo',
  );
});
