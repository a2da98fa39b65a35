import { request } from 'node:http';
import t, { type Test } from 'tap';
import type { AdminServerOptions } from '../../../src/admin/port.ts';
import { TinderboxError } from '../../../src/errors.ts';
import type { FleetState } from '../../../src/machine/fleet-state.ts';
import { fleetRecords, HOSTILE, macOf } from '../../support/fleet-records.ts';
import { ask, boot, MAC, OTHER, startAdmin, T0 } from '../../support/start-admin.ts';
import { until } from '../../support/until.ts';

/** The admin plane, with so many machines in its past. */
async function startFleet(t: Test, machines: number, overrides: Partial<AdminServerOptions> = {}) {
  const admin = await startAdmin(t, overrides);
  await admin.options.store.listMachines({ limit: 1, offset: 0 });
  const { store } = admin;
  await store.appendHistory(fleetRecords(machines, T0));
  const get = async (path: string): Promise<string> => {
    const answer = await ask(admin.socket, 'GET', path);
    t.equal(answer.status, 200, path);
    // Handlebars escapes more than it must.
    return answer.text.replaceAll('&#x3D;', '=');
  };
  return { ...admin, get };
}

const rowsOf = (html: string): number => html.split('data-row').length - 1;

t.test('a page of ten thousand machines is as light as one of a hundred', async (t) => {
  const { get } = await startFleet(t, 10_000);
  const first = await get('/');
  t.equal(rowsOf(first), 50);
  t.match(first, /1–50 of 10,000/);
  t.ok(first.length < 100_000, `${first.length} bytes`);
  t.comment(`${first.length} bytes`);
  t.match(first, 'rel="next" href="/?page=2"');
  const last = await get('/?page=200');
  t.match(last, /9,951–10,000 of 10,000/);
  t.notMatch(last, 'rel="next"');
  const beyond = await get('/?page=99999');
  t.match(beyond, /9,951–10,000 of 10,000/, 'beyond the last page is the last one');
  t.equal(rowsOf(beyond), 50);
  t.match(await get('/?page=2&search=nobody'), 'No machine is like that');
  const found = await get('/?search=sn4210%20dell&sort=hostname&order=desc');
  t.match(found, 'aria-sort="descending"');
  t.match(found, 'name="order" value="desc"', 'which the next search keeps');
  t.match(found, /href="\/\?search=sn4210\+dell&amp;sort=hostname&amp;order=asc"/);
  t.match(found, '<summary>Sorted by Machine ↓</summary>', 'a phone has no headings');
  t.match(found, 'name="order" value="desc"', 'another search keeps the order');
});

t.test('each state filters, and its count is of the whole fleet', async (t) => {
  const { get, store } = await startFleet(t, 40);
  const { states } = await store.summarizeMachines({});
  for (const [state, count] of Object.entries(states)) {
    const page = await get(`/?state=${state}`);
    t.equal(rowsOf(page), count, state);
    t.match(page, new RegExp(`<b id="count-${state}"[^>]*>${count}</b>`), state);
    t.match(page, /id="count-all">40</, state);
  }
});

t.test('what machines say of themselves is text, and short', async (t) => {
  const { get } = await startFleet(t, 3);
  const paths = ['/', '/?state=waiting', `/?search=${encodeURIComponent(HOSTILE.slice(0, 50))}`];
  for (const path of paths) {
    const page = await get(path);
    t.notMatch(page, '<img src=x', path);
    t.notMatch(page, '<script>alert', path);
    t.notMatch(page, '<hx-partial', path);
    t.notMatch(page, '\u202e', path);
    t.match(page, '&lt;img src', path);
  }
});

t.test('what nobody can mean is a page that says so, and for programs a problem document', async (t) => {
  const { socket } = await startFleet(t, 1);
  const table: readonly [path: string, status: number, said: string][] = [
    ['/?state=nonsense', 400, 'allowed are waiting'],
    ['/?sort=nonsense', 400, 'allowed are seen'],
    [`/?search=${'x'.repeat(201)}`, 400, 'more than 200'],
    ['/?role=a&role=b', 400, 'more than once'],
    ['/nothing', 404, 'There is nothing here'],
    ['/static/nothing.js', 404, 'There is nothing here'],
  ];
  for (const [path, status, said] of table) {
    const page = await askAs(socket, path, { accept: 'text/html,*/*' });
    t.equal(page.status, status, path);
    t.match(page.type, 'text/html', path);
    t.match(page.text, said, path);
    const problem = await askAs(socket, path, { accept: '*/*' });
    t.equal(problem.status, status, path);
    t.match(problem.type, 'application/problem+json', path);
    const part = await askAs(socket, path, { accept: 'text/html', 'hx-request': 'true' });
    t.match(part.type, 'application/problem+json', `${path}: the page's script shows no page in a page`);
  }
});

t.test('many are approved or given a role, each by itself, and what fails is said', async (t) => {
  const done: string[] = [];
  const { socket } = await startFleet(t, 12, {
    async approve({ mac, role = 'worker' }) {
      if (mac === macOf(1))
        throw new TinderboxError('refused', 'no <b>address</b>', { remedy: 'give it one' });
      if (mac === macOf(2)) throw new Error('the key is 0xsecret');
      done.push(`approve ${mac} ${role}`);
      return { mac, role, hostname: 'n1', changed: mac !== macOf(3), seen: true, file: '/m.yaml' };
    },
    async assign({ mac, role = '' }) {
      done.push(`assign ${mac} ${role}`);
      return { mac, role, changed: true, file: '/m.yaml' };
    },
  });
  const post = (path: string, fields: readonly (readonly [string, string])[]) =>
    ask(
      socket,
      'POST',
      path,
      new URLSearchParams(fields.map(([a, b]): [string, string] => [a, b])).toString(),
      FORM,
    );
  const macs = [0, 1, 2, 3].map((number) => ['mac', macOf(number)] as const);

  const asked = await post('/fleet/confirm', [...macs, ['action', 'approve'], ['back', '/?page=2']]);
  t.equal(asked.status, 200);
  t.match(asked.text, 'Approve 4 machines?');
  t.match(asked.text, 'href="/?page&#x3D;2"');
  t.notMatch(asked.text, '<img src=x');
  t.same(done, [], 'asking does nothing');

  const approved = await post('/fleet/apply', [...macs, ['action', 'approve'], ['role', '']]);
  t.match(approved.text, '2 machines could not be changed, 2 could');
  t.match(approved.text, 'no &lt;b&gt;address&lt;/b&gt;');
  t.match(approved.text, 'give it one');
  t.match(approved.text, 'it had this entry already');
  t.notMatch(approved.text, '0xsecret');
  t.same(done.splice(0), [`approve ${macOf(0)} worker`, `approve ${macOf(3)} worker`]);

  await post('/fleet/apply', [
    ['mac', macOf(5)],
    ['mac', macOf(5)],
    ['action', 'assign'],
    ['role', 'etcd'],
  ]);
  t.same(done.splice(0), [`assign ${macOf(5)} etcd`], 'once');

  const bad: readonly [said: string, fields: readonly (readonly [string, string])[]][] = [
    ['no machine was chosen', [['action', 'approve']]],
    [
      'no MAC',
      [
        ['mac', 'x'],
        ['action', 'approve'],
      ],
    ],
    ['neither approve nor assign', [['mac', MAC]]],
    [
      'no role was chosen',
      [
        ['mac', MAC],
        ['action', 'assign'],
        ['role', ''],
      ],
    ],
    ['more than 50', Array.from({ length: 51 }, (_none, number) => ['mac', macOf(number)] as const)],
  ];
  for (const [said, fields] of bad) {
    for (const path of ['/fleet/confirm', '/fleet/apply']) {
      const answer = await post(path, fields);
      t.equal(answer.status, 400, said);
      t.match(answer.text, said);
    }
  }
  const elsewhere = await post('/fleet/confirm', [
    ['mac', MAC],
    ['action', 'approve'],
    ['back', '//evil.example'],
  ]);
  t.match(elsewhere.text, 'href="/">Leave it');
  t.same(done, []);
});

t.test(
  'a role that was just assigned shows, and what was shown is what an edit is held against',
  async (t) => {
    const [boots, other] = [macOf(0), macOf(1)];
    const sent: unknown[] = [];
    const { get, socket, store } = await startFleet(t, 2, {
      assigned: async (machines) =>
        new Map(
          machines.map(({ mac }) => [mac, { role: mac === boots ? 'storage' : 'worker', revision: 'abc1' }]),
        ),
      async assign(request) {
        sent.push(request);
        if (request.mac === other) {
          throw new TinderboxError(
            'conflict',
            `the entry of ${other} was changed meanwhile: it is now <etcd>`,
          );
        }
        return { mac: request.mac, role: `${request.role}`, changed: true, file: '/m.yaml' };
      },
    });
    const before = (await store.findMachine(boots))?.session?.role;
    const page = await get('/');
    t.match(page, '→ storage');
    t.match(page, before === undefined ? 'once it boots' : 'at its next boot');
    t.match(page, `name="revision" value="${boots}=abc1"`);
    t.match(page, '<option>worker</option>', 'every role of the catalog can be given');
    const fields = new URLSearchParams({ action: 'assign', role: 'etcd' });
    for (const mac of [boots, other]) fields.append('mac', mac);
    for (const mac of [boots, other, MAC]) fields.append('revision', `${mac}=abc1`);
    const asked = await ask(socket, 'POST', '/fleet/confirm', fields.toString(), FORM);
    t.match(asked.text.replaceAll('&#x3D;', '='), `name="revision" value="${other}=abc1"`);
    t.notMatch(asked.text, MAC, 'of the chosen only');
    const done = await ask(socket, 'POST', '/fleet/apply', fields.toString(), FORM);
    t.match(done.text, '1 machine could not be changed, 1 could');
    t.match(done.text, 'changed meanwhile: it is now &lt;etcd&gt;');
    t.same(sent, [
      { mac: boots, role: 'etcd', revision: 'abc1' },
      { mac: other, role: 'etcd', revision: 'abc1' },
    ]);
    for (const bad of ['x=abc', `${boots}=`, `${boots}=a b`, boots]) {
      const fields = new URLSearchParams({ action: 'assign', role: 'etcd', mac: boots, revision: bad });
      t.equal((await ask(socket, 'POST', '/fleet/apply', fields.toString(), FORM)).status, 400, bad);
    }
  },
);

const FORM = 'application/x-www-form-urlencoded';

t.test('a page hears of its own rows, once a burst, and of others that they are there', async (t) => {
  const { socket, journal, get } = await startFleet(t, 0);
  t.match(await get('/'), 'No machine was seen yet');
  boot(journal, MAC, T0 - 60_000);
  await journal.flush();
  const compact = MAC.replaceAll(':', '');
  const own = openStream(t, socket, `/fleet/live?rows=${compact}.x.&open=0&since=${T0}`);
  const open = openStream(t, socket, `/fleet/live?rows=&open=1&since=${T0}`);
  await until(() => own.text().includes('count-booting') && open.text().includes('count-booting'));
  t.notMatch(own.text(), `hx-target="#m-${compact}"`, 'what it has already is not sent');
  for (let burst = 0; burst < 100; burst++) boot(journal, MAC, T0 + burst * 10);
  boot(journal, OTHER, T0);
  await until(
    () => own.text().includes(`hx-target="#m-${compact}"`) && open.text().includes('fleet-changed'),
  );
  t.ok(own.text().split(`hx-target="#m-${compact}"`).length - 1 <= 2, 'not a row for each event');
  t.notMatch(own.text(), OTHER);
  t.match(own.text(), '1 machine that this page does not show');
  t.notMatch(open.text(), MAC);

  const back = openStream(t, socket, `/fleet/live?rows=${compact}&open=1&since=${T0}`, {
    'last-event-id': '1',
  });
  await until(() => back.text().includes('fleet-changed'));
  t.match(back.text(), `hx-target="#m-${compact}"`, 'who comes back gets everything');
});

t.test('the words of the page are those of the states', async (t) => {
  const { STATE_WORDS } = await import('../../../src/admin/page/fleet-row.ts');
  const labels = Object.values(STATE_WORDS).map(({ label }) => label);
  t.equal(new Set(labels).size, labels.length);
  t.equal(STATE_WORDS['waiting' satisfies FleetState].tone, 'warn');
});

async function askAs(socketPath: string, path: string, headers: Readonly<Record<string, string>>) {
  return new Promise<{ readonly status: number; readonly type: string; readonly text: string }>(
    (resolve, reject) => {
      request({ socketPath, path, headers }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => void (text += chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text }),
        );
      })
        .on('error', reject)
        .end();
    },
  );
}

function openStream(
  t: Test,
  socketPath: string,
  path: string,
  headers: Readonly<Record<string, string>> = {},
) {
  let text = '';
  const outgoing = request({ socketPath, path, headers, agent: false }, (response) => {
    response.setEncoding('utf8').on('data', (chunk: string) => void (text += chunk));
    response.on('error', () => undefined);
  });
  outgoing.on('error', () => undefined).end();
  t.teardown(() => outgoing.destroy());
  return { text: () => text };
}
