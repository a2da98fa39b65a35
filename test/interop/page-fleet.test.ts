import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { openSqliteDatabase } from '../../src/store/sqlite-database.ts';
import { bridgeToSocket, openPage, overflows, startBrowser } from '../support/browser.ts';
import { fleetRecords, macOf } from '../support/fleet-records.ts';
import { boot, MAC, startAdmin, T0 } from '../support/start-admin.ts';
import { askScript, curl } from './support/curl.ts';
import { CONFIG, createSite } from './support/daemon-site.ts';
import { createLab } from './support/dhcp-lab.ts';

const NEW = '52:54:00:12:34:56';
const lab = await createLab();
t.teardown(() => lab[Symbol.asyncDispose]());
const server = lab.network.namespace;
const browser = await startBrowser(t);

/** The running daemon, with so many machines in its past, as a browser reaches it. */
async function startSite(t: Test, machines: number) {
  const site = await createSite(server, {
    'tinderbox.yaml': `${CONFIG}admission: approve\n`,
    'profiles/machines.yaml': '# mine\ndefault: worker\n',
  });
  t.teardown(() => site[Symbol.asyncDispose]());
  if (machines > 0) {
    const file = join(site.folder, 'var/tinderbox.db');
    const database = openSqliteDatabase({ file, durability: 'process' });
    database.appendHistory(fleetRecords(machines, Date.now()));
    database.close();
  }
  const daemon = await site.serve();
  const bridge = await bridgeToSocket(t, join(site.folder, 'var/admin.sock'));
  return {
    ...bridge,
    site,
    daemon,
    machines: () => readFile(join(site.folder, 'profiles/machines.yaml'), 'utf8'),
  };
}

// Each daemon takes seconds to start, and has the ports for itself: two groups of tests share one each.
await t.test('a fleet from its first machine on', async (t) => {
  const empty = await startSite(t, 0);

  await t.test('an empty fleet says what to do, and shows the first machine by itself', async (t) => {
    const { origin } = empty;
    const { page, complaints, shoot } = await openPage(browser, origin);
    await page.goto('/');
    await page.getByText('No machine was seen yet').waitFor();
    t.match(await page.locator('main').innerText(), /br0 \(10\.77\.0\.1\).*first boot device/s);
    await shoot('fleet-empty');
    await page.locator('#live-state', { hasText: 'live' }).waitFor();
    await askScript(server, NEW);
    await page.locator(`#m-${NEW.replaceAll(':', '')}`).waitFor();
    t.match(await page.locator('tbody').innerText(), 'waits for approval');
    t.same(complaints, []);
  });

  await t.test('several are approved at once, by keyboard, and machines.yaml has them', async (t) => {
    const { origin, machines } = empty;
    const others = [1, 2].map((number) => macOf(0x111100 + number));
    for (const mac of [NEW, ...others]) {
      await curl(
        server,
        `http://10.77.0.1/ipxe?mac=${mac}&buildarch=x86_64&platform=efi&manufacturer=Dell%20Inc.&product=%3Cb%3ER640&serial=ABC`,
      );
    }
    const { page, complaints, shoot } = await openPage(browser, origin);
    await page.goto('/?sort=mac&order=asc');
    for (const key of ['j', 'x', 'j', 'x']) await page.keyboard.press(key);
    await page.getByText('2 chosen:').waitFor();
    await shoot('fleet-chosen');
    await page.keyboard.press('a');
    await page.getByRole('heading', { name: 'Approve 2 machines?' }).waitFor();
    t.match(await page.locator('.chosen').innerText(), /Dell Inc\. <b>R640 S\/N ABC/);
    await shoot('fleet-confirm');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: '2 machines changed' }).waitFor();
    const yaml = await machines();
    t.match(yaml, /^# mine\n/);
    for (const mac of others) t.match(yaml, `  ${mac}:`);
    t.notMatch(yaml, NEW);

    await page.getByRole('link', { name: 'Back to the fleet' }).click();
    t.equal(new URL(page.url()).search, '?sort=mac&order=asc');
    await page.getByLabel(`Choose ${NEW}`).check();
    await page.locator('#bulk-role').selectOption('worker');
    await page.getByRole('button', { name: 'Give this role…' }).click();
    await page.getByRole('button', { name: 'Give the role' }).click();
    await page.getByRole('heading', { name: '1 machine changed' }).waitFor();
    t.match(await machines(), new RegExp(`${NEW}: .*role: worker`));
    t.same(complaints, []);
  });
});

await t.test('a fleet of sixty machines', async (t) => {
  const full = await startSite(t, 60);

  await t.test('rows change in place, and a lost stream says so and catches up', async (t) => {
    const { origin, cut, site, daemon } = full;
    const { page, complaints } = await openPage(browser, origin);
    // The sixth boots on, of which the page knows by the stream alone.
    const row = page.locator(`#m-${macOf(5).replaceAll(':', '')}`);
    await page.goto('/?sort=mac');
    await page.locator('#live-state', { hasText: 'live' }).waitFor();
    t.match(await row.innerText(), /stalled\s+the kernel never asked for its configuration/);
    await row.locator('input[type=checkbox]').check();
    await askScript(server, macOf(5));
    await row.getByText('waits for approval').waitFor();
    t.ok(await row.locator('input[type=checkbox]').isChecked(), 'what was ticked stays so');
    // Others stall meanwhile: they were seeded long ago.
    t.equal(await page.locator('#count-waiting').innerText(), '6', 'and the counts go with it');
    t.same(complaints, []);

    daemon.signal('SIGTERM');
    await daemon.ended;
    cut();
    await page.locator('#live-state', { hasText: /^not live since .*, reconnecting$/ }).waitFor();
    await site.serve();
    await askScript(server, macOf(4));
    await page.locator('#live-state.lost').waitFor({ state: 'detached' });
    await page
      .locator(`#m-${macOf(4).replaceAll(':', '')}`)
      .getByText('waits for approval')
      .waitFor();
    t.pass('what was missed is shown');
  });

  await t.test('search, filter, sort and pages find machines', async (t) => {
    const { origin } = full;
    const { page, complaints } = await openPage(browser, origin);
    await page.goto('/');
    t.equal(await page.locator('tbody tr').count(), 50);
    await page.keyboard.press('/');
    await page.keyboard.type('sn42100 dell');
    await page.locator('[role=status]', { hasText: '2 machines' }).waitFor();
    t.equal(new URL(page.url()).search, '?search=sn42100+dell', 'the address is one to send to somebody');
    t.equal(await page.evaluate('document.activeElement.id'), 'search', 'and one can type on');
    await page.reload();
    t.equal(await page.locator('tbody tr').count(), 2);
    await page.getByRole('link', { name: 'Show all' }).click();
    await page.getByRole('link', { name: /^failed \d+$/ }).click();
    for (const state of await page.locator('tbody .state').allInnerTexts()) t.equal(state, 'failed');
    await page.goto('/');
    await page.getByRole('link', { name: 'Machine', exact: true }).click();
    await page.getByRole('link', { name: 'Next →' }).click();
    await page.getByText('51–60 of 60').waitFor();
    await page.goto('/?search=nothing-like-it');
    await page.getByText('No machine is like that').waitFor();
    t.same(complaints, []);
  });

  await t.test('keys move and open, and the page tells which', async (t) => {
    const { origin } = full;
    const { page, complaints } = await openPage(browser, origin);
    await page.goto('/?sort=mac&order=asc');
    await page.keyboard.press('Tab');
    t.equal(await page.evaluate('document.activeElement.textContent'), 'Skip to the content');
    await page.keyboard.press('?');
    await page.getByRole('dialog').getByText('Approve what is chosen').waitFor();
    await page.keyboard.press('Escape');
    for (const key of ['j', 'ArrowDown', 'j', 'k']) await page.keyboard.press(key);
    t.match(await page.evaluate('document.activeElement.href'), `/machines/${macOf(1)}`);
    t.same(complaints, []);
    await page.keyboard.press('Enter');
    await page.waitForURL(`**/machines/${macOf(1)}`);
  });

  await t.test('it is readable dark, light, on a phone and without scripts', async (t) => {
    const { origin } = full;
    for (const dark of [false, true]) {
      const { page, complaints, shoot } = await openPage(browser, origin, { dark });
      await page.goto('/');
      await page.locator('#live-state', { hasText: 'live' }).waitFor();
      await shoot(dark ? 'fleet-dark' : 'fleet-light');
      const ground = (): Promise<string> =>
        page.evaluate('getComputedStyle(document.documentElement).backgroundColor');
      const before = await ground();
      await page.getByRole('button', { name: 'Light or dark' }).click();
      const after = await ground();
      t.not(after, before);
      await page.reload();
      t.equal(await ground(), after, 'the browser remembers');
      await page.goto('/login?next=/roles');
      await shoot(dark ? 'login-light' : 'login-dark');
      t.same(complaints, []);
    }
    const phone = await openPage(browser, origin, { phone: true });
    for (const path of ['/', '/?state=waiting', '/login']) {
      await phone.page.goto(path);
      t.notOk(await overflows(phone.page), `${path} fits`);
    }
    await phone.page.goto('/');
    await phone.shoot('fleet-phone');
    t.same(phone.complaints, []);

    const bare = await openPage(browser, origin, { javaScript: false });
    await bare.page.goto('/?state=stalled');
    t.ok((await bare.page.locator('tbody tr').count()) > 0);
    await bare.page.locator('tbody input').first().check();
    await bare.page.getByRole('button', { name: 'Approve…' }).click();
    await bare.page.getByRole('heading', { name: 'Approve 1 machine?' }).waitFor();
    await bare.page.getByRole('button', { name: 'Approve' }).click();
    await bare.page.getByRole('heading', { name: /machine/ }).waitFor();
  });
});

await t.test('over TCP one signs in, and what one sends is known to come from the page', async (t) => {
  const approved: string[] = [];
  const { url, token, journal } = await startAdmin(t, {
    listen: { host: '127.0.0.1', port: 0 },
    async approve({ mac }) {
      approved.push(mac);
      return { mac, role: 'worker', hostname: 'n1', changed: true, seen: true, file: '/m.yaml' };
    },
  });
  boot(journal, MAC, T0);
  const { page, complaints } = await openPage(browser, url);
  await page.goto('/?state=booting');
  t.equal(new URL(page.url()).pathname, '/login');
  await page.getByLabel('Token').fill('a guess');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  // That a browser says of a refusal.
  t.equal(complaints.filter((text) => !text.includes('401')).length, 0);
  await page.getByLabel('Token').fill(token.show());
  await page.keyboard.press('Enter');
  await page.getByLabel('Choose node-56').check();
  t.equal(new URL(page.url()).search, '?state=booting', 'where one wanted to go');
  await page.locator('#live-state', { hasText: 'live' }).waitFor();
  await page.getByRole('button', { name: 'Approve…' }).click();
  await page.getByRole('button', { name: 'Approve' }).click();
  await page.getByRole('heading', { name: '1 machine changed' }).waitFor();
  t.same(approved, [MAC]);
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in' }).waitFor();
  await page.goto('/');
  t.equal(new URL(page.url()).pathname, '/login', 'and out is out');
});
