/**
 * The way of an operator, on a Debian with systemd of its own: install the package, `tinderbox init`, start the
 * service; diskless machines boot from it, also after everything that happens to a host in years. The steps build on
 * each other.
 */
import t, { type Test } from 'tap';
import type { DebianSuite } from '../../src/lab/debian-image.ts';
import type { QemuMachine } from '../../src/lab/qemu-machine.ts';
import { HANDED_OVER, startInstalledSite } from '../support/installed-site.ts';

const FIRST = '52:54:00:12:34:56';
const SECOND = '52:54:00:ab:cd:ef';
const STEP_TIME = 900_000;
const INIT = 'tinderbox init --yes --interface ens7';
const FULL = process.env['TINDERBOX_FULL'] === '1';
/** Sets of /proc/PID/status. */
const CAPABILITIES = ['CapPrm', 'CapEff', 'CapBnd'];
const started = performance.now();

const suites: readonly DebianSuite[] = FULL ? ['bookworm', 'trixie'] : ['bookworm'];
for (const suite of suites) await playScenario(suite);

async function playScenario(suite: DebianSuite): Promise<void> {
  const say = (line: string): void =>
    t.comment(`${((performance.now() - started) / 1000).toFixed(0)} s: ${suite}: ${line}`);
  await using site = await startInstalledSite(suite, say);
  const { master, network } = site;
  say('the master is up');
  let failed = false;
  const step = async (name: string, work: (t: Test) => Promise<void>): Promise<void> => {
    // What comes later builds on it, and would only wait.
    if (failed) return;
    await t.test(`${name} (${suite})`, { timeout: STEP_TIME }, async (t) => {
      try {
        await work(t);
      } catch (error) {
        failed = true;
        t.comment(await master.explain());
        throw error;
      }
      if (!t.passing()) t.comment(await master.explain());
      say(`${t.passing() ? '' : 'NOT '}${name}`);
    });
  };
  const show = async (property: string): Promise<string> =>
    (await master.run(`systemctl show --property=${property} --value tinderbox`)).trim();

  await step('apt installs the package, and nothing runs before init', async (t) => {
    await master.run(`DEBIAN_FRONTEND=noninteractive apt-get install --yes ${HANDED_OVER}/tinderbox.deb`, {
      timeout: STEP_TIME,
    });
    t.equal(await show('ActiveState'), 'inactive');
    t.match(await master.run("dpkg-query --show --showformat='${Status}' ipxe"), /install ok installed/);
  });

  await step('init writes a configuration that check accepts, and the service starts', async (t) => {
    await master.run(`${INIT} --mode server --range 10.77.0.100-10.77.0.200 --admission open`);
    // Not `assign`: each call of the program takes an emulated processor six seconds.
    await master.run(
      `cp -r ${HANDED_OVER}/live /var/lib/tinderbox/assets/
       cd /etc/tinderbox/profiles && cp -r ${HANDED_OVER}/profiles/demo . && chown -R tinderbox: demo
       cat >machines.yaml <<END
machines:
  ${FIRST}: { role: demo, hostname: first }
  ${SECOND}: { role: demo, hostname: second }
default: none
END`,
    );
    await master.run('systemctl enable --now tinderbox');
    t.equal(await show('ActiveState'), 'active');
    t.match(await master.run('systemctl status --no-pager tinderbox'), /Status: ".+"/);
    t.match(await master.run('tinderbox check'), /^0 error\(s\)/m);
  });

  await step('the running system finds the service well shut in', async (t) => {
    const security = await master.run('systemd-analyze security --no-pager tinderbox');
    const exposure = Number(/exposure level for tinderbox\.service: ([\d.]+)/.exec(security)?.[1]);
    say(`systemd-analyze security: ${exposure}`);
    t.ok(exposure <= 1.5, security);
    t.equal(await show('NRestarts'), '0');
    t.not(await show('WatchdogUSec'), '0');
    const status = await master.run(`cat /proc/${await show('MainPID')}/status`);
    // CAP_NET_BIND_SERVICE is bit 10 (capability.h).
    for (const set of CAPABILITIES) t.match(status, new RegExp(`${set}:\\s+0000000000000400`));
    t.notMatch(status, /Uid:\s+0/);
  });

  let first: QemuMachine | undefined;
  await step('a diskless BIOS machine boots from it', async (t) => {
    first = await site.powerOn('bios-rom', FIRST);
    const screen = await site.hasBooted(first);
    t.match(screen, /from 10\.77\.0\.1\b/, 'with an address of the master');
    t.match(screen, new RegExp(`tinderbox: first up with ${FIRST}`));
    t.match((await site.inspect(FIRST)).session, { end: 'booted', role: 'demo' });
  });

  await step(
    'a broken edit is in the journal as an error, and reload neither ends it nor takes the edit',
    async (t) => {
      const pid = await show('MainPID');
      await master.run(
        'cd /etc/tinderbox/profiles && cp -p machines.yaml /root/ && echo "rules: [{ rol: x }]" >machines.yaml && systemctl reload tinderbox',
      );
      say('the broken edit is there, and reload was asked for');
      await master.run(waitUntilShell('journalctl -u tinderbox -p err --no-pager | grep -q machines.yaml'));
      say('the journal has the error');
      await master.run(
        'cp -p /root/machines.yaml /etc/tinderbox/profiles/ && sync && systemctl reload tinderbox',
      );
      t.equal(await show('MainPID'), pid);
      const entries = (await master.run('journalctl -u tinderbox -o json --no-pager'))
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { readonly PRIORITY?: string; readonly _COMM?: string });
      const priorities = new Set(entries.map((entry) => entry.PRIORITY));
      t.ok(priorities.has('6') && priorities.has('3'), [...priorities].join(' '));
    },
  );

  await step('it comes back by itself when it is killed', async (t) => {
    const before = await show('MainPID');
    const away = await master.run(`start=$(date +%s%N); kill -9 ${before}
      until [ "$(systemctl show -p NRestarts --value tinderbox)" = 1 ]; do sleep 0.2; done
      ${waitUntilServed()}
      echo $((($(date +%s%N) - start) / 1000000))`);
    say(`killed, it served again after ${away.trim()} ms`);
    t.not(await show('MainPID'), before);
    t.equal(await show('NRestarts'), '1');
    t.match(
      await master.run('tinderbox machines'),
      new RegExp(`${FIRST}.*booted`),
      'and still knows who booted',
    );
  });

  await step("the master's power fails, and a UEFI machine boots without anyone's help", async (t) => {
    await master.cutPower();
    say('the master is up again');
    const second = await site.powerOn('uefi-x64', SECOND);
    t.match(await site.hasBooted(second), new RegExp(`tinderbox: second up with ${SECOND}`));
    t.equal(await show('NRestarts'), '0');
    const machines = await master.run('tinderbox machines');
    for (const mac of [FIRST, SECOND]) t.match(machines, new RegExp(`${mac}.*booted`));
    await second.quit();
  });

  await step(
    'beside another DHCP server init chooses proxy, which serves after a reboot with no capability',
    async (t) => {
      await network.plugInDhcp();
      await master.run(`${INIT} --force --sockets --admission open`);
      t.match(await master.run('cat /etc/tinderbox/tinderbox.yaml'), /mode: proxy/);
      await master.reboot();
      say('the master is up again');
      if (first === undefined) throw new Error('no machine has booted yet');
      const from = first.console.lines.length;
      await first.reset();
      t.match(
        await site.hasBooted(first, from),
        /from 10\.77\.0\.2\b/,
        'with an address of the other server',
      );
      const status = await master.run(`cat /proc/${await show('MainPID')}/status`);
      for (const set of CAPABILITIES) t.match(status, new RegExp(`${set}:\\s+0000000000000000`));
      t.match((await site.inspect(FIRST)).session, { end: 'booted', role: 'demo' });
    },
  );

  await step('purge leaves what cannot be made again, and says so', async (t) => {
    const said = await master.run('DEBIAN_FRONTEND=noninteractive apt-get purge --yes tinderbox', {
      timeout: STEP_TIME,
    });
    t.match(said, /Kept: \/etc\/tinderbox\/profiles/);
    t.match(said, /Kept: \/var\/lib\/tinderbox\/assets/);
    t.match((await master.attempt('id tinderbox')).output, /no such user/);
    t.equal((await master.attempt('systemctl is-active tinderbox')).output.trim(), 'inactive');
    const left = await master.run(
      `find / -xdev -path ${HANDED_OVER} -prune -o -path /var/log -prune -o -name '*tinderbox*' -print -prune`,
    );
    t.same(left.trim().split('\n').toSorted(), [
      '/etc/systemd/system/tinderbox.service.d',
      '/etc/tinderbox',
      '/var/lib/tinderbox',
    ]);
    t.equal((await master.attempt("ss -Hlnu 'sport = :67 or sport = :69'")).output, '');
  });
}

/** bash opens a connection itself: the guest has no curl. */
function waitUntilServed(): string {
  return waitUntilShell(
    `bash -c 'exec 3<>/dev/tcp/10.77.0.1/80; printf "GET /healthz HTTP/1.0\\r\\n\\r\\n" >&3; grep -q ok <&3' 2>/dev/null`,
  );
}

/** Two minutes of an emulated processor. */
function waitUntilShell(holds: string): string {
  return `tries=0; until ${holds}; do tries=$((tries + 1)); [ $tries -lt 1200 ] || exit 1; sleep 0.5; done`;
}
