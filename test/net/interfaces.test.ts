import t from 'tap';
import { addBridge, addTap, createNamespace } from '../../src/lab/namespace.ts';
import { parseIpv4 } from '../../src/machine/ipv4.ts';
import { findInterface, readInterfaces, readInterfacesFromSysfs } from '../../src/net/interfaces.ts';

const root = process.getuid?.() === 0;

t.test('lists the loopback interface with its address', async (t) => {
  for (const read of [readInterfaces, readInterfacesFromSysfs]) {
    const found = (await read()).find((entry) => entry.name === 'lo');
    t.match(found, { name: 'lo', addresses: [{ address: parseIpv4('127.0.0.1'), prefix: 8 }], up: true });
    t.equal(found?.mtu, 65_536);
  }
});

t.test('an unknown interface is refused with those that exist', async (t) => {
  const names = (await readInterfaces()).map((entry) => entry.name).filter((name) => name !== 'lo');
  await t.rejects(findInterface('nosuch0'), {
    code: 'not-found',
    message: 'there is no network interface nosuch0',
    remedy: new RegExp(names.join(', ')),
  });
});

t.test(
  'sees what has no address, no carrier, or is down',
  { skip: root ? false : 'needs root' },
  async (t) => {
    await using namespace = await createNamespace('interfaces');
    await addBridge(namespace, 'br0', '10.77.0.1/24');
    await namespace.run(['ip', 'address', 'add', '10.78.0.1/16', 'dev', 'br0']);
    // A tap that nobody opened has no carrier, and neither has a bridge with no other port.
    await addTap(namespace, 'tap0', 'br0');
    await namespace.run(['ip', 'link', 'add', 'br1', 'mtu', '1400', 'type', 'bridge']);
    const script = `
    const { readInterfaces } = await import(${JSON.stringify(new URL('../../src/net/interfaces.ts', import.meta.url).href)});
    console.log(JSON.stringify(await readInterfaces()));`;
    const listed = JSON.parse(await namespace.run([process.execPath, '--input-type=module', '-e', script]));
    t.equal(new Set(listed.map(({ index }: { index: number }) => index)).size, listed.length);
    t.match(
      listed.filter(({ name }: { name: string }) => name !== 'lo'),
      [
        {
          name: 'br0',
          addresses: [
            { address: parseIpv4('10.77.0.1'), prefix: 24 },
            { address: parseIpv4('10.78.0.1'), prefix: 16 },
          ],
          mtu: 1500,
          up: true,
          index: Number,
          mac: /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/,
        },
        { name: 'tap0', addresses: [], mtu: 1500, up: true },
        { name: 'br1', addresses: [], mtu: 1400, up: false, carrier: false },
      ],
    );
  },
);
