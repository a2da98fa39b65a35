import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { writeSocketUnits } from '../src/write-socket-units.ts';

const SHIPPED = fileURLToPath(new URL('../systemd', import.meta.url));

t.test('every port of every interface gets its drop-in, and the service loses its capability', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tinderbox-units-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const plan = { interfaces: ['eth1', 'eth-2'], dhcp: true, shipped: SHIPPED, folder };
  const { written, instances } = await writeSocketUnits(plan);
  t.equal(instances.length, 10);
  t.equal(
    written.at(-1),
    join(folder, 'tinderbox.service.d/sockets.conf'),
    'not before the sockets are there',
  );
  t.match(
    readFileSync(join(folder, 'tinderbox-dhcp@eth1.socket.d/device.conf'), 'utf8'),
    /BindToDevice=eth1\n/,
  );
  t.match(readFileSync(written.at(-1) ?? '', 'utf8'), /AmbientCapabilities=\n/);
  t.equal(statSync(written[0] ?? '').mode & 0o777, 0o644);
  t.same((await writeSocketUnits(plan)).written, written, 'a second time is no fault');
  t.equal(readdirSync(folder).length, 11);
  t.equal((await writeSocketUnits({ ...plan, dhcp: false })).instances.length, 6);
});
