import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { runProgram } from '../../src/lab/run-program.ts';
import { curl } from './support/curl.ts';
import { CONFIG, createSite } from './support/daemon-site.ts';
import { bootMachines, createLab, type Lab } from './support/dhcp-lab.ts';

const DOCS = fileURLToPath(new URL('../../docs', import.meta.url));
const lab: Lab = await createLab();
t.teardown(() => lab[Symbol.asyncDispose]());
const client = await lab.addClient('10.77.0.3/24');

await using site = await createSite(lab.network.namespace, {
  'tinderbox.yaml': `${CONFIG}admin: { listen: "127.0.0.1:8089" }\ncluster: { apiServer: "https://10.77.0.1:6443" }\n`,
});
await site.serve();
const [outcome] = await bootMachines(client, {
  interface: 'eth0',
  count: 1,
  firstMac: 0x525400123456,
  arch: 'uefi-x64',
  until: 'report',
  pace: 0.1,
  timeout: 30_000,
});
const scraped = await runProgram([
  'curl',
  '-sS',
  '--fail',
  '--unix-socket',
  join(site.folder, 'var/admin.sock'),
  'http://tinderbox/metrics',
]);
/** Without what Prometheus adds to each of a histogram. */
const names = new Set(Array.from(scraped.matchAll(/^# TYPE (\S+)/gm), ([, name = '']) => name));
const read = (name: string): Promise<string> => readFile(join(DOCS, name), 'utf8');

/** The metrics that a text of PromQL names. */
function namedIn(text: string): readonly string[] {
  const found = text.match(/\b(tinderbox|process|nodejs)_[a-z0-9_]+/g) ?? [];
  return [...new Set(found)].map((name) =>
    names.has(name) ? name : name.replace(/_(bucket|sum|count)$/, ''),
  );
}

/** Rejects with what it finds. */
const check = (text: string): Promise<string> =>
  runProgram(['promtool', 'check', 'metrics'], { input: text });

await t.test('promtool finds nothing to say about the metrics of a boot', async (t) => {
  t.ok(outcome?.ok, 'the machine boots', { steps: outcome?.steps });
  t.equal(await check(scraped), '');
  const misnamed = '# HELP a_total A gauge.\n# TYPE a_total gauge\na_total 1\n';
  await t.rejects(check(misnamed), /_total/, 'and it would');
});

const SAMPLES: readonly RegExp[] = [
  /^tinderbox_build_info\{version="[^"]+",mode="server"\} 1$/m,
  /^tinderbox_dhcp_packets_total\{plane="dhcp",type="discover",outcome="answered"\} [1-9]/m,
  /^tinderbox_tftp_requests_total\{outcome="answered"\} [1-9]/m,
  /^tinderbox_tftp_transfers_total\{end="finished"\} [1-9]/m,
  /^tinderbox_tftp_sent_bytes_total [1-9]\d{4}/m,
  /^tinderbox_http_requests_total\{kind="script",outcome="answered"\} 1$/m,
  /^tinderbox_http_asset_sent_bytes_total 700000$/m,
  /^tinderbox_boots_started_total 1$/m,
  /^tinderbox_boots_ended_total\{end="booted",role="worker"\} 1$/m,
  /^tinderbox_boot_duration_seconds_count\{role="worker"\} 1$/m,
  /^tinderbox_boot_stage_duration_seconds_count\{stage="discovered",role="worker"\} 1$/m,
  /^tinderbox_boot_sessions\{stage="config"\} 0$/m,
  /^tinderbox_machines_ended\{end="booted"\} 1$/m,
  /^tinderbox_interface_up\{interface="br0"\} 1$/m,
  /^tinderbox_catalog_problems\{severity="error"\} 0$/m,
  /^tinderbox_certificate_expiry_timestamp_seconds\{certificate="authority\/kubernetes"\} \d{10}/m,
  /^tinderbox_dhcp_leases\{state="bound"\} 1$/m,
  /^tinderbox_dhcp_pool_addresses\{subnet="10.77.0.0\/24"\} 100$/m,
  /^tinderbox_dhcp_pool_free_addresses\{subnet="10.77.0.0\/24"\} 99$/m,
  /^tinderbox_database_bytes [1-9]/m,
  /^tinderbox_capture_packets [1-9]/m,
  /^nodejs_eventloop_lag_p99_seconds /m,
  /^process_resident_memory_bytes [1-9]/m,
];

t.test('the metrics say what happened, and of no machine who it was', (t) => {
  for (const sample of SAMPLES) t.match(scraped, sample);
  t.notMatch(scraped, /([0-9a-f]{2}:){5}|node-123456/);
  t.end();
});

await t.test('over TCP its own token opens it, and nothing else does', async (t) => {
  const url = 'http://127.0.0.1:8089/metrics';
  const token = (await site.run('token', '--metrics')).stdout.trim();
  const server = lab.network.namespace;
  t.equal((await curl(server, url)).status, 401);
  t.match(await curl(server, url, '-H', `Authorization: Bearer ${token}`), { status: 200, body: /^# HELP/ });
});

await t.test('the page of metrics lists each one, and none that is not there', async (t) => {
  const page = await read('metrics.md');
  const listed = Array.from(page.matchAll(/^\| `([a-z0-9_]+)`/gm), ([, name = '']) => name);
  const own = [...names].filter((name) => name.startsWith('tinderbox_'));
  t.same(listed.toSorted(), own.toSorted());
});

await t.test('the dashboard and the alerts name metrics that exist', async (t) => {
  const dashboard = JSON.parse(await read('grafana/tinderbox.json')) as {
    readonly panels: readonly {
      readonly title: string;
      readonly targets?: readonly { readonly expr: string }[];
    }[];
  };
  const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  t.ok(expressions.length > 20);
  for (const name of namedIn(expressions.join('\n'))) t.ok(names.has(name), `of the dashboard: ${name}`);
  for (const name of namedIn(await read('prometheus/tinderbox.rules.yaml')))
    t.ok(names.has(name), `of an alert: ${name}`);
  t.strictSame(
    namedIn('rate(tinderbox_absent_total[5m])').filter((name) => names.has(name)),
    [],
  );

  const rules = expressions.map((expr, at) => ({
    record: `panel_${at}`,
    expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
  }));
  await site.write({ 'panels.json': JSON.stringify({ groups: [{ name: 'panels', rules }] }) });
  t.match(
    await runProgram(['promtool', 'check', 'rules', join(site.folder, 'panels.json')]),
    'SUCCESS',
    'PromQL',
  );
});

await t.test('promtool takes the alerts and the configuration', async (t) => {
  const rules = await runProgram([
    'promtool',
    'check',
    'rules',
    join(DOCS, 'prometheus/tinderbox.rules.yaml'),
  ]);
  t.match(rules, 'SUCCESS');
  const config = join(DOCS, 'prometheus/prometheus.yaml');
  t.match(await runProgram(['promtool', 'check', 'config', '--syntax-only', config]), 'SUCCESS');
});
