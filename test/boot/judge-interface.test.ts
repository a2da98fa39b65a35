import t from 'tap';
import { type InterfaceFacts, judgeInterface } from '../../src/boot/judge-interface.ts';
import { type Ipv4Network, parseNetwork } from '../../src/machine/ipv4.ts';
import { ip } from '../support/make-environment.ts';

const FACTS: InterfaceFacts = {
  name: 'eth1',
  addresses: [{ address: ip('10.77.0.1'), prefix: 24 }],
  mtu: 1500,
  up: true,
  carrier: true,
  rpFilter: 1,
  neighbours: [],
};
const networks = [parseNetwork('10.77.0.0/24') as Ipv4Network];

t.test('everything about an interface that keeps machines from booting is said', async (t) => {
  const rows: readonly (readonly [string, Partial<InterfaceFacts>, object[]])[] = [
    [
      'all is well',
      {},
      [{ state: 'ok', text: 'eth1 is up: 10.77.0.1/24, MTU 1500; gives addresses in 10.77.0.0/24' }],
    ],
    ['carrier unknown', { carrier: undefined } as never, [{ state: 'ok' }]],
    ['down', { up: false, addresses: [] }, [{ state: 'problem', text: /is down/, remedy: /set eth1 up/ }]],
    ['no address', { addresses: [] }, [{ state: 'problem', text: /no IPv4 address/ }]],
    ['no carrier', { carrier: false }, [{ state: 'problem', text: /no carrier/ }]],
    ['a tunnel', { mtu: 1420 }, [{ state: 'warning', text: /MTU of eth1 is 1420/ }]],
    ['jumbo frames', { mtu: 9000 }, [{ state: 'warning', text: /firmware sends and takes 1500/ }]],
    ['two in one network', { neighbours: ['eth2'] }, [{ state: 'warning', text: /rp_filter is strict/ }]],
    ['the same, loose', { neighbours: ['eth2'], rpFilter: 2 }, [{ state: 'warning', text: /the wrong one/ }]],
    ['a bridge', { bridge: { stp: false, forwardDelay: 0 } }, [{ state: 'ok' }]],
    ['as the kernel makes it', { bridge: { stp: false, forwardDelay: 1500 } }, [{ state: 'ok' }]],
    [
      'a spanning tree',
      { bridge: { stp: true, forwardDelay: 1500 } },
      [{ state: 'warning', text: /only 30 s .*spanning/ }],
    ],
    [
      'several at once',
      { carrier: false, mtu: 1400, bridge: { stp: true, forwardDelay: 1500 } },
      [{ state: 'problem' }, { state: 'warning' }, { state: 'warning' }],
    ],
  ];
  for (const [name, change, expected] of rows) {
    const findings = judgeInterface({ ...FACTS, ...change }, { mode: 'server', networks });
    t.match(findings, expected, name);
    t.equal(findings.length, expected.length, name);
  }
});

t.test('a server whose range is not in the network of the interface is a problem', async (t) => {
  t.match(judgeInterface(FACTS, { mode: 'server', networks: [] }), [{ state: 'problem', text: /no range/ }]);
  t.match(judgeInterface(FACTS, { mode: 'proxy', networks: [] }), [{ state: 'ok' }]);
});
