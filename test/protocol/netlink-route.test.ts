import t from 'tap';
import { parseIpv4 } from '../../src/machine/ipv4.ts';
import { decodeRouteAnswer, encodeLocalRoute } from '../../src/protocol/netlink-route.ts';

const ADDRESS = parseIpv4('10.77.3.4');

t.test('a route is written as `ip route add local 10.77.3.4 dev lo proto 116` asks the kernel', async (t) => {
  if (ADDRESS === undefined) throw new Error('no address');
  t.equal(
    Buffer.from(encodeLocalRoute('add', ADDRESS, 7, true)).toString('hex'),
    ['2c000000180005060700000000000000', '02200000ff74fe0200000000', '080001000a4d03040800040001000000'].join(
      '',
    ),
  );
  t.equal(
    Buffer.from(encodeLocalRoute('remove', ADDRESS, 0x01020304, false))
      .subarray(0, 12)
      .toString('hex'),
    '0000002c0019000501020304',
    'in the order of a host that is big-endian, without `create`',
  );
});

const answer = (errno: number): Buffer => {
  const bytes = Buffer.alloc(36);
  bytes.writeUInt32LE(36, 0);
  bytes.writeUInt16LE(2, 4);
  bytes.writeInt32LE(-errno, 16);
  return bytes;
};

t.test('an answer is an error number, 0 for none', async (t) => {
  t.equal(decodeRouteAnswer(answer(17), true), 17);
  t.equal(decodeRouteAnswer(answer(0), true), 0);
  t.equal(decodeRouteAnswer(answer(17).subarray(0, 12), true), undefined);
  t.equal(decodeRouteAnswer(Buffer.alloc(36), true), undefined);
});
