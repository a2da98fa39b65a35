import t from 'tap';
import { waitUntil } from '../interop/support/daemon-site.ts';
import { createNginx } from '../interop/support/run-nginx.ts';
import { explain, type Lab, startLab } from '../support/start-lab.ts';

const BOOT_TIME = 240_000;
const MIRROR = '10.77.0.1:8000';
const KERNEL = 'GET /assets/live/vmlinuz 200';

/** What the machine fetched from the daemon itself. */
async function fetchedHere(lab: Lab, mac: string): Promise<readonly string[]> {
  const { events } = await lab.inspect(mac);
  return events
    .filter(
      ({ kind, outcome, asked }) => kind === 'http.asset' && outcome === 'answered' && /live/.test(asked),
    )
    .map(({ asked }) => asked);
}

t.test(
  'iPXE boots from a mirror, and goes on here when that dies half-way',
  { timeout: 600_000 },
  async (t) => {
    await using lab = await startLab({
      mode: 'server',
      machines: 2,
      machinesYaml: 'default: demo\n',
      config: `assets: { mirrors: [{ url: 'http://${MIRROR}', subnet: 10.77.0.0/24 }] }\n`,
    });
    const server = { namespace: lab.network.namespace, root: lab.folder, listen: MIRROR };
    await using quick = await createNginx(server);
    await quick.start();

    const first = await lab.powerOn('bios-ipxe', '52:54:00:12:34:71');
    try {
      await first.console.waitFor(/^tinderbox: reported booted/, { timeout: BOOT_TIME });
    } catch (error) {
      t.comment(await explain(lab, first));
      throw error;
    }
    const asked = quick.asked().filter((line) => line.startsWith('GET'));
    t.same(asked, [KERNEL, 'GET /assets/live/initrd.img 200']);
    t.same(await fetchedHere(lab, '52:54:00:12:34:71'), []);
    const { session } = await lab.inspect('52:54:00:12:34:71');
    t.match(session, { stage: 'booted', end: 'booted' }, 'what it did then proves that it had them');
    t.notOk(Object.keys(session?.stageTimes ?? {}).includes('kernel'), 'nobody claims to have seen that');
    await first[Symbol.asyncDispose]();
    await quick.kill();

    // Its kernel comes, and in the middle of its initrd the mirror's power fails.
    await using slow = await createNginx({ ...server, more: 'location ~ initrd { limit_rate 200k; }' });
    await slow.start();
    const second = await lab.powerOn('bios-ipxe', '52:54:00:12:34:72');
    try {
      await waitUntil('the kernel came from there', () => slow.asked().includes(KERNEL), {
        limit: BOOT_TIME,
      });
      await slow.kill();
      await second.console.waitFor(/^Tinderbox: going on with http:\/\/10\.77\.0\.1\s*$/, {
        timeout: BOOT_TIME,
      });
      await second.console.waitFor(/^tinderbox: reported booted/, { timeout: BOOT_TIME });
    } catch (error) {
      t.comment(await explain(lab, second));
      throw error;
    }
    t.same(await fetchedHere(lab, '52:54:00:12:34:72'), [
      'GET /assets/live/vmlinuz',
      'GET /assets/live/initrd.img',
    ]);
    t.match(await lab.inspect('52:54:00:12:34:72'), { session: { end: 'booted' } });
  },
);
