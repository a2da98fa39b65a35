import t from 'tap';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import { parseIpv4, UNSPECIFIED } from '../../src/machine/ipv4.ts';
import { describeMismatch, doorNameOf, expectationOf } from '../../src/net/door-names.ts';

const PORTS = { http: 8080, tftp: 69 };

t.test('names of descriptors say what they must be', async (t) => {
  t.strictSame(expectationOf('dhcp-eth1', PORTS), { type: 'udp', port: 67, device: 'eth1' });
  t.strictSame(expectationOf('pxe-br-lan', PORTS), { type: 'udp', port: 4011, device: 'br-lan' });
  t.strictSame(expectationOf('http-eth1', PORTS), { type: 'tcp-listening', port: 8080, device: 'eth1' });
  for (const name of ['unknown', 'dhcp', 'dhcp-', 'dns-eth1', 'tinderbox.socket'])
    t.equal(expectationOf(name, PORTS), undefined, name);
});

t.test('ports have the names that their units give them', async (t) => {
  t.strictSame(
    [67, 4011, 69, 0, 53].map((port) => doorNameOf(port, 'eth1', PORTS)),
    ['dhcp-eth1', 'pxe-eth1', 'tftp-eth1', undefined, undefined],
  );
  t.equal(doorNameOf(0, 'eth1', { http: 80, tftp: 0 }), undefined, 'a transfer is never inherited');
});

t.test('syslog has a door where it is on', async (t) => {
  const on = { ...PORTS, syslog: 514 };
  t.strictSame(expectationOf('syslog-eth1', on), { type: 'udp', port: 514, device: 'eth1' });
  t.equal(doorNameOf(514, 'eth1', on), 'syslog-eth1');
  t.equal(expectationOf('syslog-eth1', PORTS), undefined);
  t.equal(doorNameOf(514, 'eth1', PORTS), undefined);
});

t.test('a socket that is not what its name says is told apart', async (t) => {
  const expected = { type: 'udp', port: 67, device: 'eth1' } as const;
  const sound = { type: 'udp', port: 67, device: 'eth1', address: UNSPECIFIED, deviceIsGone: false } as const;
  t.equal(describeMismatch(expected, sound), undefined);
  const untied = { type: 'udp', port: 67, address: UNSPECIFIED, deviceIsGone: false } as const;
  const cases = [
    [{ ...sound, type: 'tcp-listening' as const }, /not a UDP socket/],
    [{ ...sound, port: 68 }, /port 68, not 67/],
    [{ ...sound, device: 'eth2' }, /tied to eth2, not to eth1/],
    [untied, /BindToDevice=eth1 is missing/],
    [{ ...untied, deviceIsGone: true }, /is gone/],
    [{ ...sound, address: parseIpv4('10.0.0.1') as Ipv4 }, /bound to 10.0.0.1/],
  ] as const;
  for (const [facts, expectedText] of cases) t.match(describeMismatch(expected, facts), expectedText);
});
