import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { open } from '../pki/support/make-cluster.ts';
import { askMany } from './support/ask-many.ts';
import { CONFIG, createSite, ROLE, TEMPLATE } from './support/daemon-site.ts';
import { bootMachines, createLab } from './support/dhcp-lab.ts';
import { lookIntoDatabase } from './support/look-into-database.ts';
import { chooseSeed, seededRandom } from './support/seeded.ts';

const FULL = process.env['TINDERBOX_FULL'] === '1';
const MACHINES = FULL ? 400 : 100;
const MOST_KILLS = FULL ? 40 : 4;
/** The first of them get a configuration with keys in it. */
const SECRET = 10;
const FIRST_MAC = 0x525400000100;
const macOf = (index: number): string => (FIRST_MAC + index).toString(16).match(/../g)?.join(':') ?? '';

const listed = Array.from(
  { length: SECRET },
  (_, index) => `  ${macOf(index)}: { role: secret, address: 10.77.0.${50 + index} }\n`,
);
const FILES = {
  'tinderbox.yaml': `${CONFIG.replace('10.77.0.100-10.77.0.199', '10.77.4.0-10.77.7.255')}cluster: { apiServer: 'https://10.77.0.1:6443' }\n`,
  'profiles/machines.yaml': `machines:\n${listed.join('')}default: worker\n`,
  'profiles/secret/role.yaml': `${ROLE}identity: worker\ncredentials: { delivery: issued }\n`,
  'profiles/secret/cloud-config.yaml.hbs': `${TEMPLATE}{{#each identity.certificates}}
  - path: {{keyFile}}
    content: {{quote key}}
{{/each}}
`,
};

await t.test(
  `a daemon that is killed again and again while ${MACHINES} machines boot loses nothing`,
  async (t) => {
    const seed = chooseSeed();
    t.comment(`seed: TINDERBOX_SEED=${seed}`);
    const random = seededRandom(seed);
    await using lab = await createLab({ address: '10.77.0.1/16' });
    await using site = await createSite(lab.network.namespace, FILES);
    const state = join(site.folder, 'var');
    mkdirSync(state, { mode: 0o700 });
    await open(state);
    const client = await lab.addClient('10.77.0.3/16');
    let daemon = await site.serve();
    const over = new AbortController();
    const booting = bootMachines(client, {
      interface: 'eth0',
      count: MACHINES,
      firstMac: FIRST_MAC,
      arch: 'uefi-x64',
      until: 'report',
      pace: 0.1,
      stagger: 60,
      attempts: 30,
      timeout: 25_000,
      questions: 20,
    }).finally(() => over.abort());
    const away: number[] = [];
    while (!over.signal.aborted && away.length < MOST_KILLS) {
      await Promise.race([delay(1000 + random() * 3000), booting]);
      if (over.signal.aborted) break;
      const killed = performance.now();
      daemon.signal('SIGKILL');
      await daemon.ended;
      daemon = await site.serve();
      away.push(Math.round(performance.now() - killed));
    }
    const outcomes = await booting;

    const done = outcomes.filter(({ ok }) => ok);
    t.equal(new Set(done.map(({ mac }) => mac)).size, MACHINES, 'every machine boots in the end', {
      failed: outcomes.filter(({ ok }) => !ok).map(({ mac, steps }) => [mac, steps.at(-1)]),
    });
    t.ok(away.length > 1, `${away.length} kills`);
    const owners = new Map<string, Set<string>>();
    const addresses = new Map<string, Set<string>>();
    for (const { mac, addresses: had } of outcomes) {
      for (const address of Object.values(had).filter((text) => text !== '')) {
        owners.set(address, (owners.get(address) ?? new Set()).add(mac));
        addresses.set(mac, (addresses.get(mac) ?? new Set()).add(address));
      }
    }
    t.same(
      [...owners].filter(([, macs]) => macs.size > 1),
      [],
      'no address has two machines',
    );
    t.same(
      [...addresses].filter(([, had]) => had.size > 1),
      [],
      'no machine lost the address that it was promised',
    );

    // Each script that was answered has URLs of a session that is on disk: of one that is over no daemon remembers more.
    const sent = lookIntoDatabase(state, ({ releases }) => releases);
    const known = outcomes.flatMap(({ mac, scripts, config }) =>
      scripts.flatMap(({ text }) => {
        const [, url, id] = /(http:\S+?\/boot\/(\d+)-[\w-]+)\/cloud-config/.exec(text) ?? [];
        if (url === undefined) return [];
        const isSecret = listed.some((line) => line.includes(mac));
        return [{ mac, url, id: Number(id), gotSecrets: isSecret && config !== undefined }];
      }),
    );
    const released = known.filter(({ gotSecrets }) => gotSecrets);
    const statuses = await askMany(
      client,
      released.map(({ url }) => ({ url: `${url}/cloud-config` })),
    );
    const again = released.filter((_, index) => statuses[index] === 200);
    const twice = again.filter(({ id }) => sent.get(id) === true);
    t.ok(known.length >= MACHINES, `${known.length} scripts were answered`);
    t.same(twice, [], 'no configuration with secrets that was sent whole is sent again');
    t.ok(
      again.length <= away.length,
      'one that was cut off in its last moment may be asked for again, by the same address',
    );

    daemon.signal('SIGTERM');
    t.equal((await daemon.ended).code, 0);
    const lost = lookIntoDatabase(state, ({ sessions }) =>
      known.filter(({ id, mac }) => !sessions.has(`${id} ${mac}`)),
    );
    t.same(lost, [], 'no session that was answered is forgotten');
    lookIntoDatabase(state, ({ integrity, leases }) => {
      t.equal(integrity, 'ok');
      const kept = new Map(leases.map(({ mac, address }) => [mac, address]));
      const gone = [...addresses].filter(([mac, had]) => !had.has(kept.get(mac) ?? ''));
      t.same(gone, [], 'every lease that was confirmed is on disk');
    });
    t.comment(
      `kill -9: ${away.length} kills, ${outcomes.length} attempts of ${MACHINES} machines, ${known.length} sessions asked after; lost: 0 leases, ${lost.length} sessions; configurations with secrets asked for again: ${again.length}`,
    );
    t.comment(
      `away: ${Math.min(...away)} to ${Math.max(...away)} ms each time, with the start of the program`,
    );
  },
);
