import { once } from 'node:events';
import t from 'tap';
import { TinderboxError } from '../../src/errors.ts';
import { addAddress, addVethPair, createNamespace } from '../../src/lab/namespace.ts';
import { openOrDoWithout } from '../../src/net/open-without-device.ts';

const source = (name: string): string =>
  JSON.stringify(new URL(`../../src/net/${name}`, import.meta.url).href);

t.test(
  'without SO_BINDTODEVICE one interface is served by two sockets: broadcasts come in, answers leave by it',
  async (t) => {
    await using server = await createNamespace('server');
    await using client = await createNamespace('client');
    await addVethPair({ namespace: server, name: 'eth1' }, { namespace: client, name: 'eth0' });
    await addAddress(server, 'eth1', '10.77.0.1/24');
    await addAddress(client, 'eth0', '10.77.0.2/24');
    const serving = server.spawn(
      [
        process.execPath,
        '--input-type=module',
        '-e',
        `import { openUdpSocket } from ${source('open-udp-socket.ts')};
       import { openWithoutDevice } from ${source('open-without-device.ts')};
       const address = (10 << 24 | 77 << 16 | 1) >>> 0;
       const socket = await openWithoutDevice(openUdpSocket, { port: 67, broadcast: true, address });
       socket.on('message', (bytes) => socket.send(Buffer.from('to ' + bytes), 68, '255.255.255.255', () => {}));
       console.log('ready');`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    if (serving.stdout === null) throw new Error('no stdout');
    await once(serving.stdout, 'data');
    const heard = await client.run([
      process.execPath,
      '--input-type=module',
      '-e',
      `import { openUdpSocket } from ${source('open-udp-socket.ts')};
     const socket = await openUdpSocket({ port: 68, device: 'eth0', broadcast: true });
     const answers = [];
     const done = new Promise((resolve) => socket.on('message', (bytes, from) => {
       answers.push(bytes + ' from ' + from.address + ':' + from.port);
       if (answers.length === 2) resolve();
     }));
     socket.send('broadcast', 67, '255.255.255.255');
     socket.send('unicast', 67, '10.77.0.1');
     await done;
     console.log(answers.sort().join('\\n'));
     socket.close();`,
    ]);
    t.same(heard.trim().split('\n'), ['to broadcast from 10.77.0.1:67', 'to unicast from 10.77.0.1:67']);
  },
);

const unavailable = () => Promise.reject(new TinderboxError('unavailable', 'no koffi'));
const inUse = () => Promise.reject(new TinderboxError('in-use', 'port 67 is held'));
const without = () => Promise.resolve('pair');

t.test(
  'doing without is for hosts that cannot tie a socket to a device, and for one interface; and it is said',
  async (t) => {
    const said: string[] = [];
    const say = (reason: string) => void said.push(reason);
    t.equal(await openOrDoWithout(() => Promise.resolve('device'), without, { alone: true, say }), 'device');
    t.same(said, []);
    t.equal(await openOrDoWithout<string>(unavailable, without, { alone: true, say }), 'pair');
    t.same(said, ['no koffi']);
    await t.rejects(openOrDoWithout<string>(unavailable, without, { alone: false, say }), {
      code: 'unavailable',
    });
    await t.rejects(openOrDoWithout<string>(inUse, without, { alone: true, say }), { code: 'in-use' });
  },
);
