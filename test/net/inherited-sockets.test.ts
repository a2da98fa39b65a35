import t from 'tap';
import { inheritedSockets } from '../../src/net/inherited-sockets.ts';

t.test('the first descriptor is 3, and names come in their order', async (t) => {
  t.same(
    inheritedSockets(
      { LISTEN_PID: '9', LISTEN_FDS: '3', LISTEN_FDNAMES: 'dhcp-eth1:tftp-eth1:dhcp-eth1' },
      9,
    ),
    [
      { fd: 3, name: 'dhcp-eth1' },
      { fd: 4, name: 'tftp-eth1' },
      { fd: 5, name: 'dhcp-eth1' },
    ],
  );
});

t.test('sockets without names are called unknown', async (t) => {
  t.same(inheritedSockets({ LISTEN_PID: '9', LISTEN_FDS: '2', LISTEN_FDNAMES: 'a' }, 9), [
    { fd: 3, name: 'a' },
    { fd: 4, name: 'unknown' },
  ]);
});

t.test('takes nothing that was not meant for this process', async (t) => {
  const table = [
    {},
    { LISTEN_FDS: '2' },
    { LISTEN_FDS: '2', LISTEN_PID: '8' },
    { LISTEN_FDS: '0', LISTEN_PID: '9' },
    { LISTEN_FDS: '-1', LISTEN_PID: '9' },
    { LISTEN_FDS: 'two', LISTEN_PID: '9' },
    { LISTEN_FDS: '1e9', LISTEN_PID: '9' },
    { LISTEN_FDS: '1.5', LISTEN_PID: '9' },
  ];
  for (const environment of table) {
    t.same(inheritedSockets(environment, 9), [], JSON.stringify(environment));
  }
});
