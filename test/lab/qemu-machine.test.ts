import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { createProvisioningNetwork } from '../../src/lab/provisioning-network.ts';
import { startQemuMachine } from '../../src/lab/qemu-machine.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { parseMac } from '../../src/machine/mac.ts';

const usable =
  process.getuid?.() === 0 && existsSync('/usr/bin/qemu-system-x86_64') && existsSync('/dev/net/tun');
const skip = usable ? false : 'needs root, QEMU and /dev/net/tun';
const mac = parseMac('52:54:00:00:00:01') as Mac;

t.test('a machine is powered on, reset and unplugged', { skip }, async (t) => {
  const folder = t.testdir();
  await using network = await createProvisioningNetwork();
  await using machine = await startQemuMachine({
    kind: 'bios-ipxe',
    namespace: network.namespace,
    tap: 'tap0',
    mac,
    folder: `${folder}/machine`,
    product: 'A name, with a comma',
  });
  await machine.console.waitFor(/SeaBIOS/, { timeout: 30_000 });
  await machine.console.waitFor(/Machine UUID 7464b0c5-0000-4000-8000-525400000001/, { timeout: 30_000 });
  const from = machine.console.lines.length;
  await machine.reset();
  await machine.console.waitFor(/SeaBIOS/, { timeout: 30_000, from });
  await machine.quit();
  await machine.exited;
  await machine.quit();
  t.notOk(existsSync(`/proc/${machine.pid}`));
  t.match(await readFile(machine.consoleFile, 'latin1'), /SeaBIOS[^]*SeaBIOS/);
});

t.test('a machine that cannot start says why', { skip }, async (t) => {
  await using network = await createProvisioningNetwork();
  await t.rejects(
    startQemuMachine({
      kind: 'bios-ipxe',
      namespace: network.namespace,
      tap: 'tap0',
      uuid: 'none',
      mac,
      folder: t.testdir(),
    }),
    { code: 'not-found', message: /QEMU did not start: qemu-system-x86_64: / },
  );
});
