import t from 'tap';
import { TinderboxError } from '../../../src/errors.ts';
import type { Mac } from '../../../src/machine/mac.ts';
import { ask, MAC, OTHER, QUEUE, startAdmin, T0 } from '../../support/start-admin.ts';

const FORM = 'application/x-www-form-urlencoded';
const EVIL = `"><script>alert(1)</script>\u202e`;
const THIRD = '52:54:00:00:00:03' as Mac;

t.test('the page says who loads, who waits and for how long, and lets one be the next', async (t) => {
  const moved: Mac[] = [];
  const { socket } = await startAdmin(t, {
    queue: {
      list: () => ({
        ...QUEUE,
        counts: { loading: 1, waiting: 1_203 },
        waiting: [...QUEUE.waiting, { position: 3, mac: THIRD, hostname: EVIL, since: T0 - 90_000 }],
      }),
      positionOf: () => undefined,
      async first(mac) {
        if (mac === MAC) throw new TinderboxError('not-found', `${mac} does not wait in the boot queue`);
        moved.push(mac);
        return QUEUE;
      },
    },
  });
  for (const path of ['/queue', '/queue/live']) {
    const { status, text } = await ask(socket, 'GET', path);
    t.equal(status, 200);
    t.match(text, /1 machine of at most 1 load what is larger than 8(\.0)? MiB; 1,203 machines wait/);
    t.match(text, /<b>1st<\/b>[^]*<a href="\/machines\/52:54:00:00:00:02"[^]*about 20 s[^]*<b>2nd<\/b>/);
    t.match(text, /10\.77\.0\.109[^]*not known yet/);
    t.match(text, /And 1,003 more/);
    t.notMatch(text, '<script>alert');
    t.equal(text.match(/action="\/queue\/first"/g)?.length, 1, 'neither the next nor who has no MAC');
  }
  t.match((await ask(socket, 'GET', '/queue')).text, /href="\/queue" aria-current="page"/);
  t.equal((await ask(socket, 'POST', '/queue/first', `mac=${THIRD}`, FORM)).status, 303);
  t.same(moved, [THIRD]);
  const gone = await ask(socket, 'POST', '/queue/first', `mac=${MAC}`, FORM);
  t.equal(gone.status, 404);
  t.match(gone.text, /does not wait in the boot queue[^]*<b>1st<\/b>/);
  t.equal((await ask(socket, 'POST', '/queue/first', 'mac=nonsense', FORM)).status, 400);
});

t.test('where it is off, the page says so', async (t) => {
  const { socket } = await startAdmin(t, {
    queue: {
      list: () => ({
        downloads: 0,
        largerThan: 0,
        counts: { loading: 0, waiting: 0 },
        loading: [],
        waiting: [],
      }),
      positionOf: () => undefined,
      first: async () => QUEUE,
    },
  });
  t.match((await ask(socket, 'GET', '/queue')).text, /Nobody waits: <code>http\.queue\.downloads<\/code>/);
});

t.test(
  'the form is sent by who signed in, from the page alone; the API lists and moves as well',
  async (t) => {
    const site = await startAdmin(t, { listen: { host: '127.0.0.1', port: 0 } });
    const send = (fields: Record<string, string>, cookie = '') =>
      fetch(`${site.url}/queue/first`, {
        method: 'POST',
        redirect: 'manual',
        headers: { cookie },
        body: new URLSearchParams(fields),
      });
    const token = site.options.access?.token.show() ?? '';
    const login = await fetch(`${site.url}/login`, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ token }),
    });
    const cookie = login.headers.get('set-cookie')?.split(';')[0] ?? '';
    const html = await (await fetch(`${site.url}/queue/live`, { headers: { cookie } })).text();
    t.notMatch(html, 'name="_csrf"', 'the next one has no button');
    const page = await (await fetch(`${site.url}/queue`, { headers: { cookie } })).text();
    const csrf = /name="_csrf" value="([^"]+)"/.exec(page)?.[1] ?? '';
    t.equal((await send({ mac: OTHER })).status, 401);
    t.equal((await send({ mac: OTHER }, cookie)).status, 403);
    t.equal((await send({ mac: OTHER, _csrf: csrf }, cookie)).status, 303);
    t.match(site.records.at(-1), { action: 'queue-first', target: OTHER, outcome: 'done' });
    t.same(await site.client.queue(), QUEUE);
    t.same(await site.client.moveUp(OTHER), QUEUE);
  },
);
