import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';
import { createLoggers } from '../src/logger.ts';
import { type Ipv4, parseIpv4 } from '../src/machine/ipv4.ts';
import { watchDhcpServers } from '../src/watch-dhcp-servers.ts';
import { makeRequest } from './support/make-request.ts';

const MODULE = JSON.stringify(join(import.meta.dirname, '../src/watch-dhcp-servers.ts'));
const at = (text: string): Ipv4 => parseIpv4(text) as Ipv4;

t.test('an address that an interface got a moment ago is no other DHCP server', async (t) => {
  let own = new Set([at('10.77.0.1')]);
  await using watch = watchDhcpServers({
    config: {
      network: { interfaces: ['eth1'] },
      dhcp: { mode: 'server', probe: 300 },
    } as unknown as Parameters<typeof watchDhcpServers>[0]['config'],
    servedBefore: false,
    ownAddresses: () => own,
    macOf: () => undefined,
    logger: createLoggers({ level: 'silent' }).dhcp,
    now: () => 1,
  });
  const hear = (server: string): void => {
    watch.overhear(makeRequest({ type: 'request', server: at(server) }), 'eth1');
  };
  hear('10.77.0.1');
  own = new Set([at('10.77.0.9')]);
  hear('10.77.0.9');
  t.same(watch.servers(), []);
  hear('10.77.0.2');
  t.match(watch.servers(), [{ interface: 'eth1', address: '10.77.0.2' }]);
});

t.test('without the right to port 68 it says why it asks nobody, and what follows', (t) => {
  const script = `import { setTimeout as delay } from 'node:timers/promises';
    import { watchDhcpServers } from ${MODULE};
    const said = Promise.withResolvers();
    const watch = watchDhcpServers({
      config: { network: { interfaces: ['tb0'] }, dhcp: { mode: 'server', probe: 300 } },
      servedBefore: false,
      ownAddresses: () => new Set(),
      macOf: () => undefined,
      logger: { info: (_details, line) => said.resolve(line), warn: () => undefined },
      now: () => 1,
    });
    watch.start();
    process.stdout.write(await Promise.race([said.promise, delay(30_000, 'nothing', { ref: false })]));
    await watch[Symbol.asyncDispose]();`;
  const setUp = `ip link add tb0 type veth peer name tb1 && ip link set tb1 up && ip link set tb0 up
    ip address add 10.77.0.1/24 dev tb0
    exec setpriv --bounding-set=-net_bind_service --inh-caps=-net_bind_service "$@"`;
  const argv = ['--net', 'sh', '-c', setUp, 'sh', process.execPath, '--input-type=module', '--eval', script];
  const env = { ...process.env, NODE_OPTIONS: '' };
  t.match(
    execFileSync('unshare', argv, { env, encoding: 'utf8' }),
    /^no DHCP server can be looked for on tb0: bind: EACCES.*socket units.* when machines ask them; dhcp\.probe: off/,
  );
  t.end();
});
