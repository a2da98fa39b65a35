import t from 'tap';
import { inheritedSockets } from '../../src/net/inherited-sockets.ts';

t.test('gives each descriptor out once, by name', async (t) => {
  const sockets = inheritedSockets(
    { LISTEN_PID: '9', LISTEN_FDS: '4', LISTEN_FDNAMES: 'dhcp:tftp:dhcp:http' },
    9,
  );
  t.equal(sockets.take('dhcp'), 3);
  t.equal(sockets.take('http'), 6);
  t.same(sockets.remaining(), [
    { fd: 4, name: 'tftp' },
    { fd: 5, name: 'dhcp' },
  ]);
  t.equal(sockets.take('dhcp'), 5);
  t.equal(sockets.take('dhcp'), undefined);
  t.equal(sockets.take('syslog'), undefined);
});

t.test('sockets without names are called unknown', async (t) => {
  t.same(inheritedSockets({ LISTEN_PID: '9', LISTEN_FDS: '2', LISTEN_FDNAMES: 'a' }, 9).remaining(), [
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
    t.same(inheritedSockets(environment, 9).remaining(), [], JSON.stringify(environment));
  }
});
