import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { Mac } from '../../src/machine/mac.ts';
import { openPage, overflows, startBrowser } from '../support/browser.ts';
import { recordBoot } from '../support/record-boot.ts';
import { startPages } from '../support/start-pages.ts';

const MAC = '52:54:00:12:34:56' as Mac;
const MINUTE = 60_000;

/** The roles that ship. */
function shipped(): Record<string, string> {
  const root = join(import.meta.dirname, '../../profiles');
  const files: Record<string, string> = {};
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    files[path.slice(root.length + 1)] = readFileSync(path, 'utf8');
  }
  return {
    ...files,
    'machines.yaml': `# Who boots what.
machines:
  ${MAC}: { role: worker, hostname: web-1, address: 10.77.0.10 }
rules:
  - { match: { arch: arm64 }, role: worker }
default: hold
`,
  };
}

t.test('look at the pages', { timeout: 240_000 }, async (t: Test) => {
  const now = Date.now();
  const site = await startPages(t, shipped(), () => ({
    capture: () => new Uint8Array(4),
    power: async () => ({}),
    console: () => ({
      lines: [
        { at: now - 50_000, text: 'Tinderbox: 52:54:00:12:34:56 is web-1, role worker' },
        { at: now - 45_000, text: 'http://10.77.0.1/assets/flatcar/flatcar_production_pxe.vmlinuz... ok' },
        { at: now - 20_000, severity: 'warning', text: 'systemd-networkd: eno1: Lost carrier' },
        {
          at: now - 10_000,
          severity: 'error',
          text: 'coreos-cloudinit: failed to fetch the configuration: dial tcp 10.77.0.1:80: no route to host',
        },
      ],
    }),
    audit: {
      record: () => undefined,
      list: async () => ({
        records: [
          {
            at: now - 1000,
            actor: { name: 'root', via: 'socket' },
            action: 'assign',
            target: MAC,
            outcome: 'done',
            detail: 'role: none → worker',
          },
          {
            at: now - 90_000,
            actor: { name: 'token', via: 'page', address: '10.0.0.9' },
            action: 'forget',
            target: '52:54:00:00:00:09',
            outcome: 'refused',
            detail: 'there is nothing of it',
          },
        ],
      }),
    },
  }));
  const { journal, door } = site;
  recordBoot(journal, { mac: MAC, at: now - 90 * MINUTE, hostname: 'web-1', address: '10.77.0.10' });
  recordBoot(journal, {
    mac: MAC,
    at: now - 2 * MINUTE,
    hostname: 'web-1',
    address: '10.77.0.11',
    until: 'initrd',
    kernel: '/assets/flatcar-next/flatcar_production_pxe.vmlinuz',
    kernelBytes: 53_000_000,
  });
  journal.record({
    at: now - 30_000,
    mac: MAC,
    kind: 'session.stalled',
    outcome: 'noted',
    asked: 'kernel and initrd were fetched, and nobody asked for the configuration for 75 s',
    answered: '',
    reasons: [],
    stalled: {
      at: now - 30_000,
      stage: 'initrd',
      diagnosis: {
        name: 'kernel-without-configuration',
        title: 'The kernel started, and its system never asked for its configuration',
        evidence: [
          'the last byte of the initrd was sent 75 s ago',
          'no DHCP request of the operating system was heard',
          'its last console line: no route to host',
        ],
        remedy:
          'See its console. Most often the kernel has no driver for this network card, or its configuration names another one: try the role rescue.',
      },
    },
  });
  journal.record({
    at: now - 20_000,
    mac: MAC,
    kind: 'http.hardware',
    outcome: 'answered',
    asked: 'POST hardware',
    answered: 'ok',
    reasons: [],
    hardware: {
      at: now - 20_000,
      source: 'linux',
      cpu: { model: 'Intel(R) Xeon(R) Silver 4214 CPU @ 2.20GHz', count: 24 },
      memory: 64 * 1024 ** 3,
      disks: [{ name: 'sda', model: 'PERC H740P', bytes: 480e9 }],
      network: [
        { name: 'eno1', mac: MAC, driver: 'bnxt_en', speed: 10000, link: true },
        { name: 'eno2', link: false },
      ],
      firmware: { kind: 'uefi', vendor: 'Dell Inc.', version: '2.10.2', secureBoot: false },
    },
  });
  await site.write(
    'worker/cloud-config.yaml.hbs',
    `${shipped()['worker/cloud-config.yaml.hbs']}\n# {{nobody}}\n`,
  );
  const browser = await startBrowser(t);
  for (const [kind, settings] of Object.entries({
    light: {},
    dark: { dark: true },
    phone: { phone: true },
  })) {
    const { page, complaints, shoot } = await openPage(browser, door.origin, settings);
    const full = async (name: string) => {
      await shoot(`${name}-${kind}`);
      await page.screenshot({
        path: join(import.meta.dirname, `../../.cache/screenshots/${name}-${kind}-full.png`),
        fullPage: true,
      });
      t.equal(await overflows(page), false, `${name} ${kind} is no wider than its window`);
    };
    await page.goto(`/machines/${MAC}`);
    await full('machine');
    await page.goto(`/machines/${MAC}?show=served`);
    await full('served');
    await page.goto('/machines/52:54:00:00:00:99');
    await full('never');
    await page.goto('/roles');
    await full('roles');
    await page.goto('/roles/worker?machine=52:54:00:12:34:56');
    await full('role');
    await page.goto('/health');
    await full('health');
    await page.goto('/audit');
    await full('audit');
    t.same(complaints, []);
  }
});
