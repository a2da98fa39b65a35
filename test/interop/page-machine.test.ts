import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import t, { type Test } from 'tap';
import { createBootPlaces } from '../../src/http/boot-places.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { Journal } from '../../src/store/port.ts';
import { queueCommands } from '../../src/wire-queue.ts';
import { openPage, overflows, type PageSettings, startBrowser } from '../support/browser.ts';
import { recordBoot } from '../support/record-boot.ts';
import { type PagesSite, startPages } from '../support/start-pages.ts';
import { ROLE } from './support/daemon-site.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const OTHER = '52:54:00:00:00:02' as Mac;
const MINUTE = 60_000;
const EVIL = `<img src=x onerror="document.title='owned'"><script>alert(1)</script>"'&{{7*7}}`;

/** As many as these tests need: to read and try all that ship takes a second. */
function roles(): Record<string, string> {
  const { 'machines.yaml': machines = '' } = shipped();
  const made: Record<string, string> = { 'machines.yaml': machines, 'hold/role.yaml': 'boot: hold\n' };
  for (const name of ['worker', 'rescue']) {
    made[`${name}/role.yaml`] = ROLE;
    made[`${name}/cloud-config.yaml.hbs`] = '#cloud-config\nhostname: {{machine.hostname}}\n';
  }
  return made;
}

/** The roles that ship. */
function shipped(): Record<string, string> {
  const root = join(import.meta.dirname, '../../profiles');
  const files: Record<string, string> = {};
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files[path.slice(root.length + 1)] = readFileSync(path, 'utf8');
  }
  const machines = [
    '# Who boots what.',
    'machines:',
    `  ${MAC}: { role: worker, hostname: web-1, address: 10.77.0.10 }`,
    'default: hold',
    '',
  ].join('\n');
  return { ...files, 'machines.yaml': machines };
}

function stall(journal: Pick<Journal, 'record'>, at: number): void {
  journal.record({
    at,
    mac: MAC,
    kind: 'session.stalled',
    outcome: 'noted',
    asked: 'kernel and initrd were fetched, and nobody asked for the configuration for 75 s',
    answered: '',
    reasons: [],
    stalled: {
      at,
      stage: 'initrd',
      diagnosis: {
        name: 'kernel-without-configuration',
        title: 'The kernel started, and its system never asked for its configuration',
        evidence: [
          'the last byte of the initrd was sent 75 s ago',
          'no DHCP request of the system was heard',
        ],
        remedy: 'See its console: most often the kernel has no driver for this network card.',
      },
    },
  });
}

/** A boot that worked, and one that did not. */
async function siteOf(t: Test, files = roles()): Promise<PagesSite> {
  const now = Date.now();
  const line = { facility: 'user', number: 1, reasons: [] } as const;
  const site = await startPages(t, files, {
    powerKind: () => 'redfish',
    console: (mac) => ({
      mac,
      missed: 12,
      lines: [
        { ...line, at: now - 60_000, severity: 'info', program: 'ipxe', text: 'web-1, role worker' },
        {
          ...line,
          at: now - 45_000,
          severity: 'err',
          text: 'no route to host',
          reasons: ['error 280a6090: no address of this network'],
        },
      ],
    }),
  });
  recordBoot(site.journal, { mac: MAC, at: now - 90 * MINUTE, hostname: 'web-1', address: '10.77.0.10' });
  recordBoot(site.journal, {
    mac: MAC,
    at: now - 2 * MINUTE,
    hostname: 'web-1',
    address: '10.77.0.11',
    until: 'initrd',
    kernel: '/assets/next/flatcar_production_pxe.vmlinuz',
  });
  stall(site.journal, now - 30_000);
  return site;
}

let browser: Browser;
t.before(async () => {
  browser = await startBrowser(t);
});

async function visit(site: PagesSite, path: string, settings: PageSettings = {}) {
  const opened = await openPage(browser, site.door.origin, settings);
  await opened.page.goto(path);
  return opened;
}

const isLive = (page: Page) => page.locator('#live-state:not(.lost)').waitFor();

t.test('a stalled machine says why, and what is not as it was when it worked', async (t) => {
  const site = await siteOf(t);
  for (const [name, settings] of Object.entries({
    light: {},
    dark: { dark: true },
    phone: { phone: true },
  })) {
    const { page, complaints, shoot } = await visit(site, `/machines/${MAC}`, settings);
    await isLive(page);
    t.equal(await overflows(page), false, `${name}: it is no wider than its window`);
    const heights = page
      .locator('.waterfall .name')
      .evaluateAll((names) => names.map((one) => one.clientHeight || one.getBoundingClientRect().height));
    t.equal(new Set(await heights).size, 1, `${name}: the name of no stage is broken in two`);
    await shoot(`machine-${name}`);
    if (name === 'light') {
      t.match(await page.locator('.diagnosis').innerText(), /never asked for its configuration.*What to do/s);
      const difference = page.locator('section:has(#difference)');
      t.match(await difference.innerText(), /address\s+10\.77\.0\.10\s+10\.77\.0\.11/);
      t.match(await difference.innerText(), /kernel.*\/assets\/flatcar\/.*\/assets\/next\//s);
      t.match(await difference.innerText(), /not kept/, 'what is not recorded is said');
      t.match(await page.locator('#timeline').innerText(), /DISCOVER.*option 93 says 7.*RRQ ipxe\.efi/s);
      t.match(await page.locator('.console').innerText(), /ipxe: web-1.*no route to host.*280a6090/s);
      t.match(await page.locator('.side').innerText(), /its own entry.*machines\.yaml:3/s);
      await page.getByText('Other boots').click();
      await page.locator('.sessions a').last().click();
      await page.waitForURL(/session=1$/);
      t.match(await page.locator('#live').innerText(), /Boot 1.*took/s);
      t.equal(await page.locator('.diagnosis').count(), 0, 'that boot did not stall');
    }
    t.same(complaints, [], name);
    await page.context().close();
  }
});

t.test('a page follows the boot, keeps what is typed, and comes back when its stream was lost', async (t) => {
  const site = await siteOf(t);
  const { page, complaints } = await visit(site, `/machines/${MAC}`);
  await isLive(page);
  await page.locator('#hostname').fill('half-typed');
  recordBoot(site.journal, { mac: MAC, at: Date.now(), hostname: 'web-1', until: 'kernel' });
  await page.getByRole('heading', { name: 'Boot 3' }).waitFor();
  t.match(await page.locator('.head').innerText(), /booting.*kernel/s);
  t.equal(await page.locator('.diagnosis').count(), 0);
  t.equal(await page.locator('#hostname').inputValue(), 'half-typed');

  await site.door.shut();
  await page.locator('#live-state.lost').waitFor();
  recordBoot(site.journal, {
    mac: MAC,
    at: Date.now() + 1_000,
    hostname: 'web-1',
    until: 'booted',
    joins: false,
  });
  await site.door.open();
  await isLive(page);
  await page.getByRole('heading', { name: 'Boot 4' }).waitFor();
  t.equal(await page.locator('#hostname').inputValue(), 'half-typed');
  t.same(
    complaints.filter((text) => !/ERR_|fetch|network error/.test(text)),
    [],
    'nothing but the lost connection was complained of',
  );
});

t.test('the second of two operators is told what the first one did, and loses nothing', async (t) => {
  const site = await siteOf(t);
  const machines = () => readFileSync(join(site.dir, 'machines.yaml'), 'utf8');
  const first = await visit(site, `/machines/${MAC}`);
  const second = await visit(site, `/machines/${MAC}`);
  await first.page.locator('#role').selectOption('rescue');
  await first.page.getByRole('button', { name: 'Save' }).click();
  await first.page.getByText('Saved.').waitFor();
  t.match(machines(), /role: rescue/);

  await second.page.locator('#hostname').fill('web-9');
  await second.page.getByRole('button', { name: 'Save' }).click();
  const told = second.page.locator('#entry');
  await told.getByText('Now its entry says').waitFor();
  t.match(await told.innerText(), /changed meanwhile.*role rescue, hostname web-1, address 10\.77\.0\.10/s);
  t.equal(await second.page.locator('#hostname').inputValue(), 'web-9', 'what was typed is kept');
  t.equal(await second.page.locator('#role').inputValue(), 'worker');
  t.match(machines(), /role: rescue, hostname: web-1/, 'nothing was written');
  await second.page.getByRole('button', { name: 'Save' }).click();
  await second.page.getByText('Saved.').waitFor();
  t.match(machines(), /role: worker, hostname: web-9/, 'whoever knows of it may do it all the same');

  await first.page.goto(`/machines/${MAC}`);
  await first.page.locator('#address').fill('10.77.0.999');
  await first.page.getByRole('button', { name: 'Save' }).click();
  await first.page.locator('#entry [role=alert]').waitFor();
  t.equal(await first.page.locator('#address').inputValue(), '10.77.0.999');
});

t.test('without its script everything can be read and sent', async (t) => {
  const site = await siteOf(t);
  const { page, complaints } = await visit(site, `/machines/${MAC}`, { javaScript: false });
  await page.locator('#role').selectOption('rescue');
  await page.getByRole('button', { name: 'Save' }).click();
  t.match(await page.locator('[role=status].good').innerText(), /Saved/);
  await page.getByRole('button', { name: 'Show' }).click();
  t.match(await page.locator('#served').innerText(), /with the role rescue.*#!ipxe.*#cloud-config/s);
  await page.getByText('Forget this machine').click();
  await page.getByLabel('I mean it').check();
  await page.getByRole('button', { name: /^Forget 52/ }).click();
  t.match(await page.locator('main').innerText(), /never seen/);
  t.same(
    complaints.filter((text) => !text.includes('404')),
    [],
  );
});

t.test('a machine that was never seen has a page that waits for it', async (t) => {
  const site = await siteOf(t);
  const { page } = await visit(site, `/machines/${OTHER}`);
  await isLive(page);
  t.match(await page.locator('main').innerText(), /never seen.*Power it on.*eth1 \(serving\)/s);
  recordBoot(site.journal, { mac: OTHER, at: Date.now(), until: 'offered' });
  await page.getByRole('heading', { name: 'Boot 3' }).waitFor();
  const strange = await page.goto('/machines/5254.0000.0002');
  t.match(strange?.url(), new RegExp(`/machines/${OTHER}$`), 'one machine has one address');
  t.equal((await page.goto('/machines/nonsense'))?.status(), 404);
});

t.test('hostile texts stay texts, and ten thousand events are a page of five hundred', async (t) => {
  const site = await startPages(t, roles());
  const at = Date.now() - MINUTE;
  recordBoot(site.journal, { mac: MAC, at, hostname: EVIL, product: EVIL, until: 'script' });
  for (let index = 0; index < 10_000; index++) {
    site.journal.record({
      at: at + 9_000 + index,
      mac: MAC,
      kind: 'http.asset',
      outcome: index % 2 === 0 ? 'answered' : 'refused',
      asked: `GET /assets/${index}${EVIL}`,
      answered: EVIL,
      reasons: [EVIL],
      via: EVIL,
    });
  }
  const { page, complaints } = await visit(site, `/machines/${MAC}`);
  await isLive(page);
  t.equal(await page.locator('.timeline > li').count(), 500);
  t.equal(await page.locator('main img, main script').count(), 0);
  t.not(await page.title(), 'owned');
  t.match(await page.locator('h1').innerText(), '<img src=x');
  t.equal(await overflows(page), false);
  const html = await (await page.request.get(`/machines/${MAC}`)).text();
  t.ok(html.length < 1_500_000, `${html.length} characters`);
  await page.getByRole('link', { name: /older events$/ }).click();
  await page.waitForURL(/older=1/);
  t.match(await page.locator('#timeline').innerText(), /GET \/assets\/94\d\d/);
  t.equal(await page.getByRole('link', { name: '500 newer events' }).count(), 1);
  t.same(complaints, []);
});

t.test('a role shows its faults where they are, who uses it, and what it would give', async (t) => {
  const site = await siteOf(t, shipped());
  await site.write(
    'worker/cloud-config.yaml.hbs',
    `${shipped()['worker/cloud-config.yaml.hbs']}\n# {{nobody}}\n`,
  );
  const { page, complaints, shoot } = await visit(site, '/roles');
  t.match(await page.locator('main').innerText(), /not in force.*`nobody` is not defined/s);
  await shoot('roles-light');
  await page.getByRole('link', { name: 'worker', exact: true }).click();
  const line = page.locator('.code li.error');
  t.match(await line.innerText(), /# \{\{nobody\}\}.*not defined/s);
  t.ok(await line.isVisible(), 'its file stands open');
  t.match(await page.locator('.side').innerText(), /the entry of 52:54:00:12:34:56.*1 machine/s);
  await shoot('role-light');
  await page.getByLabel('For the machine').fill(MAC);
  await page.getByRole('button', { name: 'Show' }).click();
  t.match(await page.locator('#preview').innerText(), /web-1 with the role worker.*last good catalog/s);
  t.equal((await page.goto('/roles/..%2fetc'))?.status(), 404);
  const phone = await visit(site, '/roles', { phone: true });
  t.equal(await overflows(phone.page), false);
  await phone.shoot('roles-phone');
  t.same(
    complaints.filter((text) => !text.includes('404')),
    [],
  );
});

t.test('the queue is read again by itself, and its button lets a machine be the next', async (t) => {
  const queue = createBootPlaces({ places: 1, largerThan: 0, uptime: () => performance.now() });
  queue.learn('/assets/initrd', 1);
  const ask = (mac: string) =>
    queue.askForBoot({ mac: mac as Mac, address: undefined, paths: ['/assets/initrd'] });
  for (const last of ['01', '02', '03']) ask(`52:54:00:00:00:${last}`);
  const journal = { machine: () => undefined, record: () => undefined };
  const site = await startPages(t, roles(), {
    queue: queueCommands({ queue, journal, now: Date.now }),
  });
  const { page, complaints, shoot } = await visit(site, '/queue');
  const rows = page.locator('#queue tbody tr');
  t.match(await rows.allInnerTexts(), [/1st\s.*00:02/s, /2nd\s.*00:03/s]);
  ask('52:54:00:00:00:04');
  await page.getByText('3rd', { exact: true }).waitFor();
  await shoot('queue-light');
  await page.getByRole('button', { name: 'Let 52:54:00:00:00:04 be the next' }).click();
  await rows.first().getByText('52:54:00:00:00:04').waitFor();
  t.match(await rows.allInnerTexts(), [/1st\s.*00:04/s, /2nd\s.*00:02/s, /3rd\s.*00:03/s]);
  const phone = await visit(site, '/queue', { phone: true });
  t.equal(await overflows(phone.page), false);
  await phone.shoot('queue-phone');
  t.same(complaints, []);
});

t.test('health and audit are said in words', async (t) => {
  const site = await siteOf(t);
  const { page, complaints, shoot } = await visit(site, '/health', { dark: true });
  const health = await page.locator('main').innerText();
  for (const part of [
    /eth2: nothing is served/,
    /etcd authority expires in 1\d days/,
    /42 of 100/,
    /10\.77\.0\.254/,
  ]) {
    t.match(health, part);
  }
  await shoot('health-dark');
  await page.getByRole('button', { name: 'Examine everything' }).click();
  t.match(await page.locator('#doctor').innerText(), /no problem/);
  await page.goto(`/machines/${MAC}`);
  await page.getByRole('button', { name: 'Save' }).click();
  await page.goto('/audit');
  t.match(await page.locator('main').innerText(), new RegExp(`socket.*assign.*${MAC}.*done`, 's'));
  await shoot('audit-dark');
  t.same(complaints, []);
});
