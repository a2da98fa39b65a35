import t, { type Test } from 'tap';
import type { BootPlan } from '../../src/boot/boot-plan.ts';
import type { Mac } from '../../src/machine/mac.ts';
import type { Parameters, Role } from '../../src/machine/role.ts';
import type { BootSession } from '../../src/machine/session.ts';
import { renderConfig } from '../../src/render/render-config.ts';
import { ip } from '../support/make-environment.ts';
import { bootPlan, startTestServer, testRole } from './start-test-server.ts';

const MAC = '52:54:00:12:34:56' as Mac;

async function get(url: string) {
  const response = await fetch(url, { redirect: 'manual' });
  return { status: response.status, text: await response.text() };
}

function roleWith(format: 'ignition' | 'cloud-config' | 'raw', text: string, rest: Partial<Role> = {}): Role {
  return { ...testRole('node'), config: { format, template: { file: 'c.hbs', text, line: 1 } }, ...rest };
}

async function start(t: Test, role: Role, parameters: Parameters = {}, plan?: BootPlan) {
  const planned: BootPlan = plan ?? {
    ...(bootPlan(role) as Extract<BootPlan, { kind: 'boot' }>),
    parameters,
  };
  const server = await startTestServer(t, {
    plan: () => planned,
    matchbox: { plan: () => planned },
    renderer: {
      bootstrapScript: () => '',
      machineScript: () => '#!ipxe\n',
      waitScript: () => '',
      refusalScript: () => '',
      renderConfig,
    },
  });
  await get(`${server.url}/ipxe?mac=${MAC}`);
  return server;
}
const IGNITION = '{"ignition":{"version":"3.3.0"}}';

t.test('a route gives what its format is, and proves the stage to the address of the script', async (t) => {
  const { url, journal } = await start(t, roleWith('raw', 'hello {{machine.hostname}} {{parameters.rack}}'), {
    rack: 'r7',
  });
  t.same(await get(`${url}/generic?mac=52-54-00-12-34-56&os=installed`), {
    status: 200,
    text: 'hello node-1 r7\n',
  });
  t.match(journal.sessionOf(MAC), { stage: 'config' });
  t.match(journal.observations.at(-1), {
    kind: 'http.config',
    outcome: 'answered',
    answered: 'the generic of role node',
  });
  for (const route of ['ignition', 'cloud']) {
    t.match(await get(`${url}/${route}?mac=${MAC}`), {
      status: 404,
      text: /of the format raw, which \/\w+ does not give/,
    });
  }
});

t.test('who is not the machine gets the same text, and says nothing about the machine', async (t) => {
  const { url, journal } = await start(t, roleWith('raw', 'hello'));
  const session = journal.sessionOf(MAC) as BootSession;
  journal.sessions.set(session.id, { ...session, address: ip('10.77.0.99') });
  t.equal((await get(`${url}/generic?mac=${MAC}`)).status, 200);
  t.match(journal.sessionOf(MAC), { stage: 'script' });
  t.match(journal.observations.at(-1)?.reasons, [/an address that is not known for its own/]);
});

t.test('what one machine alone may have is never given', async (t) => {
  const way = /use \{\{configUrl\}\} in its kernel arguments/;
  const rows: readonly [string, Role, Parameters][] = [
    ['certificates', roleWith('raw', 'x', { identity: 'worker' }), {}],
    ['the URL of its session', roleWith('raw', 'curl {{reportUrl}}'), {}],
    [
      'a private key',
      roleWith('raw', '-----BEGIN PRIVATE KEY-----\nMIIBVgIBADANBg\n-----END PRIVATE KEY-----'),
      {},
    ],
    ['a hash of a password', roleWith('raw', 'x $6$abcdefgh$0123456789abcdef'), {}],
    ['a parameter called so', roleWith('raw', 'x {{parameters.joinToken}}'), { joinToken: 'hunter2hunter2' }],
  ];
  for (const [what, role, parameters] of rows) {
    const { url } = await start(t, role, parameters);
    t.match(await get(`${url}/generic?mac=${MAC}`), { status: 403, text: way }, what);
  }
});

t.test('metadata is an env file without secrets', async (t) => {
  const parameters = {
    etcd_name: 'node1',
    nested: { some: 1, password: 'hunter2' },
    list: [1],
    on: true,
    text: 'a\nb',
  };
  const { url } = await start(t, roleWith('ignition', IGNITION), parameters);
  t.same((await get(`${url}/metadata?mac=52-54-00-12-34-56&foo=bar&count=3`)).text.split('\n'), [
    'COUNT=3',
    'FOO=bar',
    'ETCD_NAME=node1',
    'NESTED_SOME=1',
    'ON=true',
    `MAC=${MAC}`,
    'REQUEST_QUERY_COUNT=3',
    'REQUEST_QUERY_FOO=bar',
    `REQUEST_QUERY_MAC=${MAC}`,
    'REQUEST_RAW_QUERY=mac=52-54-00-12-34-56&foo=bar&count=3',
    '',
  ]);
});

t.test('strangers and those who are not admitted get nothing, with what to do', async (t) => {
  const role = roleWith('raw', 'x');
  const { url, journal } = await start(t, role);
  t.match(await get(`${url}/generic?mac=52:54:00:00:00:99`), {
    status: 404,
    text: /boot it from the network once/,
  });
  t.equal(journal.machine('52:54:00:00:00:99' as Mac), undefined, 'asking makes no machine');
  t.match(await get(`${url}/generic`), { status: 400, text: /mac is missing; ask \/generic\?mac=/ });
  journal.learnAddress(ip('127.0.0.1'), '52:54:00:00:00:07' as Mac);
  t.match(await get(`${url}/generic?mac=${MAC}`), { status: 403, text: /that of another machine/ });
  const waits = await start(t, role, {}, { kind: 'wait', message: 'wait', reasons: ['admission: approve'] });
  t.match(await get(`${waits.url}/generic?mac=${MAC}`), { status: 403, text: /not admitted/ });
});

t.test('a template that does not render is our failure, and says so in the timeline only', async (t) => {
  const { url, journal, log } = await start(t, roleWith('raw', 'x {{machine.labels.rack}}'));
  t.match(await get(`${url}/generic?mac=${MAC}`), { status: 500, text: /see: tinderbox machines/ });
  t.match(journal.observations.at(-1)?.reasons.join(), /`rack` is not defined/);
  t.match(log(), /could not be rendered/);
  t.match(await get(`${url}/generic?mac=${MAC}&rack=r7`), { status: 200, text: 'x r7\n' });
});

t.test('GRUB is answered by its matchbox name too, and without the setting nothing is', async (t) => {
  const { url } = await start(t, roleWith('raw', 'x'));
  t.equal((await get(`${url}/grub?mac=${MAC}`)).status, 200);
  t.equal((await get(`${url}/boot.ipxe.0`)).status, 200);
  const { url: without } = await startTestServer(t);
  for (const route of ['ignition', 'cloud', 'generic', 'metadata', 'grub', 'boot.ipxe.0']) {
    t.equal((await get(`${without}/${route}?mac=${MAC}`)).status, 404, route);
  }
});
