import t from 'tap';
import { fetchConfig } from '../../src/lab/virtual-client-config.ts';
import type { ClientRun } from '../../src/lab/virtual-client-run.ts';
import { FIRMWARE_TIMING } from '../../src/lab/virtual-client-types.ts';

const SESSION = 'http://10.77.0.1/boot/1-abc';

function runOn(pages: Readonly<Record<string, string>>) {
  const asked: string[] = [];
  const run = {
    machine: {},
    deps: {
      fetch: (url: string, { headers }: { readonly headers: Record<string, string> }) => {
        asked.push(`${headers['user-agent']?.split('/')[0]} ${url.replace(SESSION, '')}`);
        const text = pages[url.replace(SESSION, '')];
        return Promise.resolve(text === undefined ? new Response('no', { status: 404 }) : new Response(text));
      },
      now: () => 0,
      sleep: () => Promise.resolve(),
    },
    options: {
      timing: FIRMWARE_TIMING,
      signal: new AbortController().signal,
      keepPackets: false,
      until: 'report',
    },
    startedAt: 0,
    steps: [],
    packets: [],
    screen: { waits: '' },
    waited: { ms: 0 },
  } as unknown as ClientRun;
  return { run, asked };
}

t.test('it fetches what the system of its kernel arguments would', async (t) => {
  const pages = {
    '/cloud-config': '#cloud-config\nhostname: a\n# role: worker\n',
    '/nocloud/user-data': '#cloud-config\npackages: [vim]\n',
    '/nocloud/meta-data': 'instance-id: i\nlocal-hostname: "b"\n',
    '/nocloud/vendor-data': '',
    '/nocloud/network-config': '',
    '/ignition': '{"ignition": {"version": "3.4.0"}}',
    '/raw': 'd-i\n',
    '/raw/talos.yaml': 'machine: {}\n',
  };
  const nocloud = ['/network-config', '/meta-data', '/user-data', '/vendor-data'].map(
    (name) => `Cloud-Init /nocloud${name}`,
  );
  const table: readonly [string, readonly string[], object | undefined][] = [
    [
      `cloud-config-url=${SESSION}/cloud-config`,
      ['coreos-cloudinit /cloud-config'],
      { hostname: 'a', role: 'worker' },
    ],
    [`ds=nocloud;dsmode=net;s=${SESSION}/nocloud/`, nocloud, { hostname: 'b', text: /packages/ }],
    [`ds=nocloud-net;s=${SESSION}/nocloud/`, nocloud, { hostname: 'b' }],
    [`ignition.config.url=${SESSION}/ignition`, ['Ignition /ignition'], { text: /3\.4\.0/ }],
    [`auto=true preseed/url=${SESSION}/raw`, ['Wget /raw'], { text: 'd-i\n' }],
    [`talos.config=${SESSION}/raw/talos.yaml`, ['Wget /raw/talos.yaml'], { text: /machine/ }],
    ['url=http://10.77.0.1/assets/x.iso', [], undefined],
    ['ds=nocloud;s=/var/seed/', [], undefined],
  ];
  for (const [argument, expected, config] of table) {
    const { run, asked } = runOn(pages);
    const found = await fetchConfig(run, `quiet ${argument} console=ttyS0`);
    t.strictSame(asked, expected, argument);
    if (config === undefined) t.equal(found, undefined);
    else t.match(found, config, argument);
  }
});

t.test('an empty main document fails its step, an empty file beside it does not', async (t) => {
  const { run } = runOn({
    '/nocloud/user-data': '\n',
    '/nocloud/meta-data': 'instance-id: i\n',
    '/nocloud/vendor-data': '',
    '/nocloud/network-config': '',
  });
  await t.rejects(fetchConfig(run, `ds=nocloud;dsmode=net;s=${SESSION}/nocloud/`), {
    message: /user-data is empty/,
  });
  t.strictSame(
    run.steps.map(({ ok }) => ok),
    [true, true, false],
  );
});
