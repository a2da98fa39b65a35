import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { findOldSocketUnits, removeOldSocketUnits } from '../src/remove-socket-units.ts';
import { writeSocketUnits } from '../src/write-socket-units.ts';

const SHIPPED = fileURLToPath(new URL('../systemd', import.meta.url));

const noSystemd = () => Promise.reject(new Error('no systemd'));

/** As `init --sockets` leaves it for these interfaces, and beside it what an administrator wrote. */
async function makeUnits(t: Test, interfaces: readonly string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-units-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const write = (names: readonly string[]) =>
    writeSocketUnits({ interfaces: names, dhcp: true, shipped: SHIPPED, folder });
  await write(interfaces);
  mkdirSync(join(folder, 'tinderbox-dhcp@mine.socket.d'));
  writeFileSync(join(folder, 'tinderbox-dhcp@mine.socket.d/device.conf'), '[Socket]\nBindToDevice=mine\n');
  return { folder, write };
}

t.test('an interface that is not listed any more loses its units, and the others keep theirs', async (t) => {
  const { folder, write } = await makeUnits(t, ['eth1', 'eth-2']);
  writeFileSync(join(folder, 'tinderbox-http@eth\\x2d2.socket.d/more.conf'), '[Socket]\nBacklog=9\n');
  const { written } = await write(['eth1']);
  const disabled: string[] = [];
  const old = await findOldSocketUnits(folder, new Set(written));
  const removed = await removeOldSocketUnits(old, async (names) => void disabled.push(...names));
  t.same(
    disabled,
    ['dhcp', 'http', 'pxe', 'syslog', 'tftp'].map((kind) => `tinderbox-${kind}@eth\\x2d2.socket`),
  );
  t.equal(removed.length, 5);
  t.ok(written.every(existsSync));
  t.same(
    readdirSync(folder).filter((name) => /mine|eth\\x2d2/.test(name)),
    ['tinderbox-dhcp@mine.socket.d', 'tinderbox-http@eth\\x2d2.socket.d'],
    'what init did not write stays',
  );
});

t.test('without sockets the service has its capability again, before a socket goes', async (t) => {
  const { folder } = await makeUnits(t, ['eth1']);
  const dropIn = join(folder, 'tinderbox.service.d/sockets.conf');
  const old = await findOldSocketUnits(folder, new Set());
  let at = '';
  const disable = async (names: readonly string[]) => {
    at = `${names.length} ${existsSync(dropIn)} ${existsSync(join(folder, 'tinderbox-dhcp@eth1.socket.d'))}`;
  };
  t.equal((await removeOldSocketUnits(old, disable))[0], dropIn);
  t.equal(at, '5 false true');
  t.same(readdirSync(folder), ['tinderbox-dhcp@mine.socket.d']);
});

t.test('what could not be disabled is found again the next time', async (t) => {
  const { folder } = await makeUnits(t, ['eth1']);
  await t.rejects(removeOldSocketUnits(await findOldSocketUnits(folder, new Set()), noSystemd), /no systemd/);
  t.equal((await findOldSocketUnits(folder, new Set())).instances.length, 5);
});

t.test('where nothing is, nothing is disabled', async (t) => {
  const old = await findOldSocketUnits('/nonexistent', new Set());
  t.same(await removeOldSocketUnits(old, noSystemd), []);
});
