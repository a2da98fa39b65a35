import { fstatSync } from 'node:fs';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { TinderboxError } from '../../src/errors.ts';
import { type Ipv4, parseIpv4, UNSPECIFIED } from '../../src/machine/ipv4.ts';
import { type InheritedDoorsOptions, inheritDoors } from '../../src/net/inherited-doors.ts';
import { loadLibc } from '../../src/net/libc.ts';
import type { OpenUdpSocket } from '../../src/net/port.ts';

const libc = loadLibc();
const LOOPBACK = parseIpv4('127.0.0.1') as Ipv4;
const denied: OpenUdpSocket = async () => {
  throw new TinderboxError('refused', 'UDP port 69 on lo may not be opened by this user');
};

/** A UDP socket as systemd makes it; `device` is left out where the unit forgot it. */
function makeSocket(device?: string): { fd: number; port: number } {
  const fd = libc.openUdpDescriptor();
  libc.setOption(fd, 'reuseAddress', 1);
  if (device !== undefined) libc.setOption(fd, 'bindToDevice', device);
  libc.bindDescriptor(fd, UNSPECIFIED, 0);
  return { fd, port: libc.describeSocket(fd).port };
}

function bench(t: Test, port: number, options: Partial<InheritedDoorsOptions>) {
  const said: string[] = [];
  const logger = pino({}, { write: (line) => void said.push((JSON.parse(line) as { msg: string }).msg) });
  const anew: string[] = [];
  const doors = inheritDoors({
    inherited: [],
    ports: { http: 80, tftp: port },
    present: new Set(['lo']),
    libc,
    logger,
    startAnew: (reason) => void anew.push(reason),
    openOwn: async () => t.fail('opened one of its own') as never,
    ...options,
  });
  return { doors, said, anew };
}

const isOpen = (fd: number): boolean => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

t.test('an inherited socket is handed out as often as it is asked for', async (t) => {
  const { fd, port } = makeSocket('lo');
  const { doors, said } = bench(t, port, { inherited: [{ fd, name: 'tftp-lo' }] });
  t.strictSame(doors.unused(), ['tftp-lo']);
  t.equal(doors.coversDevice?.('lo', 'tftp'), true);
  t.equal(doors.coversDevice?.('eth9', 'tftp'), false);
  for (let turn = 0; turn < 2; turn++) {
    const socket = await doors.openUdp({ port, device: 'lo', address: LOOPBACK });
    t.equal(socket.address().port, port);
    const heard = new Promise<string>((resolve) => socket.once('message', (bytes) => resolve(String(bytes))));
    socket.send(`turn ${turn}`, port, '127.0.0.1');
    t.equal(await heard, `turn ${turn}`);
    await new Promise<void>((resolve) => socket.close(() => resolve()));
  }
  t.strictSame(doors.unused(), []);
  t.strictSame(said, ['inherited sockets: tftp-lo']);
  libc.closeDescriptor(fd);
});

t.test('the buffer of an inherited socket is what its unit gave it', async (t) => {
  const { fd, port } = makeSocket('lo');
  libc.setOption(fd, 'receiveBuffer', 131_072);
  const { doors } = bench(t, port, { inherited: [{ fd, name: 'tftp-lo' }] });
  const socket = await doors.openUdp({ port, device: 'lo', receiveBuffer: 65_536 });
  t.equal(socket.getRecvBufferSize(), 262_144);
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  libc.closeDescriptor(fd);
});

t.test('no other program shares the port of one that was handed out', async (t) => {
  const { fd, port } = makeSocket('lo');
  const { doors } = bench(t, port, { inherited: [{ fd, name: 'tftp-lo' }] });
  const socket = await doors.openUdp({ port, device: 'lo' });
  const other = libc.openUdpDescriptor();
  libc.setOption(other, 'reuseAddress', 1);
  t.throws(() => libc.bindDescriptor(other, UNSPECIFIED, port), { code: 'EADDRINUSE' });
  libc.closeDescriptor(other);
  socket.close();
  libc.closeDescriptor(fd);
});

t.test('a socket that is not what its name says is closed, said, and opened here', async (t) => {
  const untied = makeSocket();
  const tied = makeSocket('lo');
  let opened = 0;
  const { doors, said } = bench(t, tied.port, {
    inherited: [
      { fd: untied.fd, name: 'pxe-lo' },
      { fd: tied.fd, name: 'tinderbox.socket' },
    ],
    openOwn: async () => {
      opened++;
      return undefined as never;
    },
  });
  t.match(
    said[0],
    /^the inherited socket pxe-lo is not used: it has port \d+, not 4011; look at its .socket unit/,
  );
  t.match(said[1], /tinderbox.socket is not used: its FileDescriptorName= is none of dhcp-/);
  t.notOk(isOpen(untied.fd));
  t.notOk(isOpen(tied.fd));
  await doors.openUdp({ port: 4011, device: 'lo' });
  t.equal(opened, 1);
});

t.test('of two with one name the second is closed and said', async (t) => {
  const first = makeSocket('lo');
  const second = libc.duplicate(first.fd);
  const { said } = bench(t, first.port, {
    inherited: [
      { fd: first.fd, name: 'tftp-lo' },
      { fd: second, name: 'tftp-lo' },
    ],
  });
  t.match(said[0], /there is another one of that name/);
  t.notOk(isOpen(second));
  t.ok(isOpen(first.fd));
  libc.closeDescriptor(first.fd);
});

t.test(
  'what was not inherited and may not be opened is explained, and no new start would help',
  async (t) => {
    const { doors, anew } = bench(t, 69, { openOwn: denied });
    await t.rejects(doors.openUdp({ port: 69, device: 'lo' }), {
      code: 'refused',
      message: /may not be opened by this user, and no socket tftp-lo was inherited/,
      remedy: /tinderbox init --sockets/,
    });
    t.strictSame(anew, []);
  },
);

t.test('an interface that came after the start needs a new one, asked for once', async (t) => {
  const { doors, anew } = bench(t, 69, { openOwn: denied, present: new Set() });
  await t.rejects(doors.openUdp({ port: 69, device: 'lo' }));
  await t.rejects(doors.openUdp({ port: 4011, device: 'lo' }));
  t.match(anew, [/^lo is here/]);
  t.equal(anew.length, 1);
});

t.test('so does one that went and came back: its old sockets hear nothing any more', async (t) => {
  const { fd, port } = makeSocket('lo');
  let isGone = false;
  const { doors, anew } = bench(t, port, {
    inherited: [{ fd, name: 'tftp-lo' }],
    libc: {
      ...libc,
      describeSocket: (of) => {
        const facts = libc.describeSocket(of);
        return isGone ? { ...facts, deviceIsGone: true } : facts;
      },
    },
    openOwn: denied,
  });
  const before = await doors.openUdp({ port, device: 'lo' });
  before.close();
  t.strictSame(anew, []);
  isGone = true;
  await t.rejects(doors.openUdp({ port, device: 'lo' }), { code: 'refused' });
  t.equal(anew.length, 1);
  t.notOk(isOpen(fd), 'the old one is given up');
});

t.test('sockets of transfers, and those without a device, are opened here', async (t) => {
  const asked: number[] = [];
  const { doors } = bench(t, 69, {
    openOwn: async ({ port }) => {
      asked.push(port);
      return undefined as never;
    },
  });
  await doors.openUdp({ port: 0, device: 'lo' });
  await doors.openUdp({ port: 69 });
  t.strictSame(asked, [0, 69]);
});

t.test('where the C library cannot be called a socket is taken at its word, once', async (t) => {
  const { fd, port } = makeSocket('lo');
  const { doors } = bench(t, port, {
    inherited: [{ fd, name: 'tftp-lo' }],
    libc: undefined,
    openOwn: denied,
  });
  const socket = await doors.openUdp({ port, device: 'lo' });
  t.equal(socket.address().port, port);
  socket.close();
  await t.rejects(doors.openUdp({ port, device: 'lo' }), { code: 'refused' });
});
