import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { addBridge, createNamespace } from '../../src/lab/namespace.ts';

/** Every block of the page, with its language and its first line. */
const page = await readFile(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
const blocks = Array.from(page.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm), ([, language = '', text = '']) => ({
  language,
  text,
  title: text.split('\n', 1)[0] ?? '',
}));

const folder = await mkdtemp(join(tmpdir(), 'tinderbox-docs-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));
const namespace = await createNamespace('docs');
t.teardown(() => namespace[Symbol.asyncDispose]());
// The interfaces that the examples name.
await addBridge(namespace, 'enp0s8', '10.77.0.1/24');
await addBridge(namespace, 'enp0s9', '10.78.0.1/24');

/** Writes the block that begins so to a file of its own. */
async function place(start: string): Promise<string> {
  const found = blocks.filter(({ title }) => title.startsWith(start));
  if (found.length !== 1) throw new Error(`${found.length} blocks begin with ${start}`);
  const file = join(folder, start.replace(/\W+/g, '-'));
  await writeFile(file, found[0]?.text ?? '');
  return file;
}

/** The npm package `dhcp` brings a program `dhcpd` of its own. */
const checks: readonly (readonly [string, string, (file: string) => readonly string[]])[] = [
  ['nft', '# /etc/nftables.conf', (file) => ['nft', '--check', '--file', file]],
  ['dnsmasq', '# dnsmasq:', (file) => ['dnsmasq', '--test', `--conf-file=${file}`]],
  ['Kea', '# Kea:', (file) => ['kea-dhcp4', '-t', file]],
  ['ISC dhcpd', '# ISC dhcpd:', (file) => ['/usr/sbin/dhcpd', '-t', '-cf', file]],
];

for (const [program, start, argv] of checks) {
  t.test(`${program} takes the example for it, and would see a mistake in it`, async (t) => {
    const file = await place(start);
    await t.resolves(namespace.run(argv(file)));
    const text = await readFile(file, 'utf8');
    await writeFile(file, text.replaceAll(/10\.77\.0\.50|udp dport/g, 'nonsense'));
    await t.rejects(namespace.run(argv(file)));
  });
}

t.test('the rules let in what the table says, and nothing else', async (t) => {
  const file = await place('# /etc/nftables.conf');
  await namespace.run(['nft', '--file', file]);
  const rules = await namespace.run(['nft', 'list', 'ruleset']);
  t.match(rules, /iifname "enp0s8" udp dport \{ 67, 69, 514, 4011 \} accept/);
  t.match(rules, /iifname "enp0s8" tcp dport 80 accept/);
  t.match(rules, /iifname "enp0s8" drop\n/);
});

t.test('no example for a server beside Tinderbox has a boot option in it', (t) => {
  const servers = blocks.filter(({ language }) => language === 'conf');
  t.equal(servers.length, 3);
  for (const { text } of servers) {
    const [, ...rest] = text.split('\n');
    t.notMatch(rest.join('\n'), /next-server|filename|boot|tftp|option.*\b(43|60|66|67)\b/i);
  }
  t.end();
});
