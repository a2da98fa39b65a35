import t from 'tap';
import { createLoggers } from '../src/logger.ts';
import { type Ipv4, parseIpv4 } from '../src/machine/ipv4.ts';
import { watchDhcpServers } from '../src/watch-dhcp-servers.ts';
import { makeRequest } from './support/make-request.ts';

const at = (text: string): Ipv4 => parseIpv4(text) as Ipv4;

t.test('an address that an interface got a moment ago is no other DHCP server', async (t) => {
  let own = new Set([at('10.77.0.1')]);
  await using watch = watchDhcpServers({
    config: {
      network: { interfaces: ['eth1'] },
      dhcp: { mode: 'server', probe: 300 },
    } as unknown as Parameters<typeof watchDhcpServers>[0]['config'],
    ownAddresses: () => own,
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
