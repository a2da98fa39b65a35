import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { basename } from 'node:path';
import t from 'tap';
import type { Ipv4 } from '../../src/machine/ipv4.ts';
import { parseIpv4 } from '../../src/machine/ipv4.ts';
import { describeHolders, whoHoldsTcpPort, whoHoldsUdpPort } from '../../src/net/who-holds-port.ts';

const address = (text: string): Ipv4 => parseIpv4(text) as Ipv4;

t.test('finds this process by its own UDP and TCP ports', async (t) => {
  const udp = createSocket('udp4').bind(0, '127.0.0.1');
  const tcp = createServer().listen(0, '127.0.0.1');
  t.teardown(() => {
    udp.close();
    tcp.close();
  });
  await Promise.all([once(udp, 'listening'), once(tcp, 'listening')]);
  const [udpHolder] = await whoHoldsUdpPort(udp.address().port);
  const [tcpHolder] = await whoHoldsTcpPort((tcp.address() as AddressInfo).port);
  t.equal(udpHolder?.pid, process.pid);
  t.equal(tcpHolder?.pid, process.pid);
  t.equal(udpHolder?.command, basename(process.execPath), 'not the name of its first thread');
});

t.test('a port that nobody has is held by nobody', async (t) => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  t.same(await whoHoldsUdpPort(port), []);
});

t.test('reads the tables of the kernel', async (t) => {
  const proc = t.testdir();
  const head =
    '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
  await mkdir(`${proc}/self/net`, { recursive: true });
  // 0043 is port 67, 010A4D0A would be 10.77.10.1 backwards.
  await writeFile(
    `${proc}/self/net/udp`,
    `${head}  1: 00000000:0043 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 111 2 0 0\n` +
      '  2: 01004D0A:0045 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 222 2 0 0\n' +
      'garbage\n',
  );
  await writeFile(
    `${proc}/self/net/tcp`,
    `${head}  1: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 2 0 0\n` +
      '  2: 0100007F:0050 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 2 0 0\n',
  );
  for (const [pid, command, inode] of [
    ['41', 'dnsmasq', '111'],
    ['42', 'in.tftpd', '222'],
  ] as const) {
    await mkdir(`${proc}/${pid}/fd`, { recursive: true });
    await writeFile(`${proc}/${pid}/comm`, `${command}\n`);
    await symlink(`socket:[${inode}]`, `${proc}/${pid}/fd/7`);
    await symlink('/dev/null', `${proc}/${pid}/fd/0`);
  }
  const dnsmasq = [{ pid: 41, command: 'dnsmasq' }];
  t.same(await whoHoldsUdpPort(67, undefined, proc), dnsmasq);
  t.same(
    await whoHoldsUdpPort(67, address('10.77.0.1'), proc),
    dnsmasq,
    'a socket on all addresses holds each',
  );
  t.same(await whoHoldsUdpPort(69, address('10.77.0.1'), proc), [{ pid: 42, command: 'in.tftpd' }]);
  t.same(await whoHoldsUdpPort(69, address('10.77.0.2'), proc), [], 'another address is not in the way');
  t.same(await whoHoldsTcpPort(80, undefined, proc), [{}], 'a listener whose process may not be seen');
  t.same(await whoHoldsUdpPort(4011, undefined, proc), []);
});

t.test('says who it is in words', async (t) => {
  const table = [
    [[{ pid: 1, command: 'dnsmasq' }], 'dnsmasq (pid 1)'],
    [[{ pid: 1, command: 'a' }, { pid: 2 }], 'a (pid 1) and a program (pid 2)'],
    [[{}], undefined],
    [[], undefined],
  ] as const;
  for (const [holders, text] of table) t.equal(describeHolders(holders), text);
});
