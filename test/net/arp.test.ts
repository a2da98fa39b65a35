import t from 'tap';
import { parseIpv4 } from '../../src/machine/ipv4.ts';
import { parseArpTable, readArpTable } from '../../src/net/arp.ts';

t.test('reads complete neighbours and leaves out the rest', async (t) => {
  const table = `IP address       HW type     Flags       HW address            Mask     Device
10.77.0.101      0x1         0x2         52:54:00:12:34:56     *        br0
10.77.0.102      0x1         0x0         00:00:00:00:00:00     *        br0
10.77.0.103      0x1         0x6         52:54:00:AB:cd:ef     *        eth1
nonsense
`;
  t.same(parseArpTable(table), [
    { address: parseIpv4('10.77.0.101'), mac: '52:54:00:12:34:56', device: 'br0' },
    { address: parseIpv4('10.77.0.103'), mac: '52:54:00:ab:cd:ef', device: 'eth1' },
  ]);
});

t.test('a table that cannot be read is empty', async (t) => {
  t.same(await readArpTable('/nonexistent/arp'), []);
});
