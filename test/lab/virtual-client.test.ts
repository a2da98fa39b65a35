import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { TinderboxError } from '../../src/errors.ts';
import {
  type ClientPort,
  type ClientStep,
  createClientPort,
  FIRMWARE_TIMING,
  runVirtualClient,
  type SimulationResult,
  scaleTiming,
  type VirtualClientDeps,
  type VirtualClientOptions,
  type VirtualMachine,
} from '../../src/lab/virtual-client.ts';
import { architectureByName } from '../../src/machine/architecture.ts';
import { type Ipv4, parseIpv4, UNSPECIFIED } from '../../src/machine/ipv4.ts';
import { type Mac, macFromBytes, macToBytes } from '../../src/machine/mac.ts';
import type { DatagramSocket } from '../../src/net/port.ts';
import { encodePxeVendorOptions } from '../../src/protocol/dhcp/option-43.ts';
import { decodeVendorClass } from '../../src/protocol/dhcp/option-60.ts';
import { decodeUserClass } from '../../src/protocol/dhcp/option-77.ts';
import { decodeClientArchitectures } from '../../src/protocol/dhcp/option-93.ts';
import { decodeClientUuid } from '../../src/protocol/dhcp/option-97.ts';
import { decodeIpxeOptions, encodeIpxeOptions } from '../../src/protocol/dhcp/option-175.ts';
import {
  encodeMessageType,
  type MessageType,
  messageTypeOf,
  OPTION,
} from '../../src/protocol/dhcp/option-codes.ts';
import { ipv4Value, textValue } from '../../src/protocol/dhcp/option-values.ts';
import { type DhcpPacket, decodeDhcpPacket, encodeDhcpPacket } from '../../src/protocol/dhcp/packet.ts';
import { decodeTftpPacket, encodeTftpPacket, type TftpPacket } from '../../src/protocol/tftp/packet.ts';

const SERVER = parseIpv4('10.77.0.1') as Ipv4;
const ROUTER = parseIpv4('10.77.0.254') as Ipv4;
const ADDRESS = parseIpv4('10.77.0.100') as Ipv4;
const MAC = '52:54:00:12:34:56' as Mac;
const UUID = '11223344-5566-7788-99aa-bbccddeeff00';

function machineOf(arch: string, mac = MAC): VirtualMachine {
  const architecture = architectureByName(arch);
  if (architecture === undefined) throw new Error(arch);
  return { mac, uuid: UUID, architecture };
}

interface Asked {
  readonly packet: DhcpPacket;
  readonly type: MessageType | undefined;
  readonly who: 'rom' | 'ipxe' | 'os';
  readonly port: number;
  readonly fromPort: number;
  /** Of the DISCOVERs of this transaction: 1, 2, … */
  readonly attempt: number;
}

interface Answer {
  readonly type: MessageType;
  readonly address?: Ipv4;
  readonly server?: Ipv4;
  readonly next?: Ipv4;
  readonly file?: string;
  readonly options?: readonly [number, Uint8Array][];
  /** Milliseconds that it takes to come. */
  readonly after?: number;
}

function reply(to: DhcpPacket, answer: Answer): Uint8Array {
  return encodeDhcpPacket({
    ...to,
    op: 2,
    yiaddr: answer.address ?? UNSPECIFIED,
    ciaddr: UNSPECIFIED,
    siaddr: answer.next ?? SERVER,
    file: answer.file ?? '',
    options: new Map([
      [OPTION.messageType, encodeMessageType(answer.type)],
      [OPTION.serverIdentifier, ipv4Value(answer.server ?? SERVER)],
      ...(answer.options ?? []),
    ]),
  });
}

/** A network in memory: what is sent is answered by `answer`, at once. */
function createNetwork(answer: (asked: Asked) => readonly (Answer | Uint8Array)[]) {
  const asked: Asked[] = [];
  const listeners = new Map<
    number,
    (received: Parameters<Parameters<ClientPort['subscribe']>[2]>[0]) => void
  >();
  const send = (bytes: Uint8Array, port: number, fromPort: number): Promise<void> => {
    const packet = decodeDhcpPacket(bytes);
    const who = packet.options.has(OPTION.userClass)
      ? 'ipxe'
      : packet.options.has(OPTION.clientArchitecture)
        ? 'rom'
        : 'os';
    const attempt = asked.filter((other) => other.packet.xid === packet.xid).length + 1;
    const question: Asked = { packet, type: messageTypeOf(packet), who, port, fromPort, attempt };
    asked.push(question);
    for (const one of answer(question)) {
      const bytes = one instanceof Uint8Array ? one : reply(packet, one);
      const deliver = (): void =>
        listeners.get(packet.xid)?.({ bytes, from: SERVER, fromPort: port, toPort: fromPort });
      setTimeout(deliver, one instanceof Uint8Array ? 0 : (one.after ?? 0));
    }
    return Promise.resolve();
  };
  const port: ClientPort = {
    device: 'eth1',
    subscribe(xid, _mac, listener) {
      listeners.set(xid, listener);
      return () => listeners.delete(xid);
    },
    send: (bytes, _address, to) => send(bytes, to, 68),
    sendPxe: (bytes, _address, to) => send(bytes, to, 4011).then(() => 4011),
    strangers: () => 0,
    dropped: () => 0,
    close: () => Promise.resolve(),
  };
  return { port, asked };
}

const BOOT_IPXE =
  '#!ipxe\necho role worker\nchain --replace http://10.77.0.1/ipxe?mac=${net0/mac}&uuid=${uuid}';
const MACHINE_SCRIPT = `#!ipxe
kernel http://10.77.0.1/assets/vmlinuz cloud-config-url=http://10.77.0.1/boot/abc/cloud-config tinderbox.report=http://10.77.0.1/boot/abc/report
initrd http://10.77.0.1/assets/root.gz
boot`;

type Page = string | Response | (() => Response);
const PAGES: Record<string, Page> = {
  'GET http://10.77.0.1/boot.ipxe': BOOT_IPXE,
  [`GET http://10.77.0.1/ipxe?mac=${MAC}&uuid=${UUID}`]: MACHINE_SCRIPT,
  'GET http://10.77.0.1/assets/vmlinuz': 'kernel',
  'GET http://10.77.0.1/assets/root.gz': 'initrd!',
  'GET http://10.77.0.1/boot/abc/cloud-config': '#cloud-config\nhostname: node-123456\n',
  'POST http://10.77.0.1/boot/abc/report stage=booted': 'ok',
};

function withLength(body: string): Response {
  return new Response(body, { headers: { 'content-length': String(Buffer.byteLength(body)) } });
}

interface Setup {
  readonly arch?: string;
  readonly answer?: (asked: Asked) => readonly (Answer | Uint8Array)[];
  readonly pages?: Record<string, Page>;
  readonly file?: Uint8Array;
  readonly tftp?: (request: TftpPacket) => TftpPacket | undefined;
  readonly options?: Partial<VirtualClientOptions>;
  /** How much faster than it says the machine sleeps. */
  readonly sleepFactor?: number;
}

/** Server mode, as Tinderbox answers. */
function serverMode(asked: Asked): readonly Answer[] {
  const answered = asked.type === 'discover' ? 'offer' : 'ack';
  const lease: [number, Uint8Array][] = [[OPTION.subnetMask, Uint8Array.of(255, 255, 255, 0)]];
  if (asked.who === 'os') return [{ type: answered, address: ADDRESS, options: lease }];
  const http =
    decodeVendorClass(asked.packet.options.get(OPTION.vendorClass) ?? new Uint8Array()).kind === 'HTTPClient';
  if (asked.who === 'ipxe') {
    const options: [number, Uint8Array][] = [...lease, [OPTION.ipxe, encodeIpxeOptions({ noPxeDhcp: true })]];
    return [{ type: answered, address: ADDRESS, file: 'http://10.77.0.1/boot.ipxe', options }];
  }
  const options: [number, Uint8Array][] = http
    ? [...lease, [OPTION.vendorClass, textValue('HTTPClient')]]
    : lease;
  return [
    {
      type: answered,
      address: ADDRESS,
      file: http ? 'http://10.77.0.1/snponly.efi' : 'snponly.efi',
      options,
    },
  ];
}

/** Another server gives addresses; the proxy answers as Tinderbox does. */
function proxyMode(control: boolean) {
  return (asked: Asked): readonly Answer[] => {
    const pxe: [number, Uint8Array] = [OPTION.vendorClass, textValue('PXEClient')];
    const file = asked.who === 'ipxe' ? 'http://10.77.0.1/boot.ipxe' : 'snponly.efi';
    if (asked.port === 4011) return [{ type: 'ack', file, options: [pxe] }];
    const lease: Answer = {
      type: asked.type === 'discover' ? 'offer' : 'ack',
      address: ADDRESS,
      server: ROUTER,
      next: UNSPECIFIED,
    };
    if (asked.type !== 'discover' || asked.who === 'os') return [lease];
    const vendor: [number, Uint8Array] = [
      OPTION.vendorSpecific,
      encodePxeVendorOptions({ discoveryControl: 8 }),
    ];
    return [
      lease,
      {
        type: 'offer',
        file: asked.who === 'ipxe' || control ? file : '',
        options: control ? [pxe, vendor] : [pxe],
      },
    ];
  };
}

async function simulate(
  setup: Setup = {},
): Promise<{ result: SimulationResult; asked: Asked[]; tftp: TftpPacket[] }> {
  const network = createNetwork(setup.answer ?? serverMode);
  const file = setup.file ?? new Uint8Array(70_000).fill(7);
  const tftp: TftpPacket[] = [];
  const server = createSocket('udp4');
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  server.on('message', (bytes, remote) => {
    const packet = decodeTftpPacket(bytes);
    tftp.push(packet);
    const size = new Map([['tsize', String(file.length)]]);
    const answer =
      setup.tftp === undefined ? ({ kind: 'options-ack', options: size } as const) : setup.tftp(packet);
    if (packet.kind === 'read' && answer !== undefined)
      server.send(encodeTftpPacket(answer), remote.port, remote.address);
  });
  const pages = { ...PAGES, ...setup.pages };
  let xid = 0;
  const deps: VirtualClientDeps = {
    port: network.port,
    // The machine thinks that it speaks to 10.77.0.1; the probe's packets go to loopback.
    openSocket: () => openOnLoopback(server.address().port),
    fetch: (url, init) => {
      const page = pages[`${init.method} ${url}${init.body === undefined ? '' : ` ${init.body}`}`];
      if (page === undefined) return Promise.resolve(new Response('no such page', { status: 404 }));
      if (typeof page === 'string') return Promise.resolve(withLength(page));
      return Promise.resolve(typeof page === 'function' ? page() : page.clone());
    },
    readFile: () => Promise.resolve(file),
    now: () => performance.now(),
    sleep: (ms, signal) => delay(ms * (setup.sleepFactor ?? 1), undefined, { signal }).catch(() => undefined),
    randomXid: () => ++xid,
  };
  try {
    const result = await runVirtualClient(machineOf(setup.arch ?? 'uefi-x64'), deps, {
      timing: { ...scaleTiming(FIRMWARE_TIMING, 0.002), tftpTimeout: 100 },
      until: 'report',
      keepPackets: true,
      signal: AbortSignal.timeout(20_000),
      ...setup.options,
    });
    return { result, asked: network.asked, tftp };
  } finally {
    const aborts = setup.tftp === undefined && tftp.length > 0;
    if (aborts && !tftp.some((packet) => packet.kind === 'error')) await once(server, 'message');
    server.close();
  }
}

/** A socket whose peer is always the test's own server, and always seems to be 10.77.0.1. */
async function openOnLoopback(port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const send = socket.send.bind(socket) as (
    bytes: Uint8Array,
    port: number,
    host: string,
    done?: () => void,
  ) => void;
  const emit = socket.emit.bind(socket) as (event: string, ...args: unknown[]) => boolean;
  return Object.assign(socket, {
    send: (bytes: Uint8Array, _port: number, _host: string, done?: () => void) =>
      send(bytes, port, '127.0.0.1', done),
    emit: (event: string, ...args: unknown[]) =>
      event === 'message'
        ? emit(event, args[0], { ...(args[1] as object), address: '10.77.0.1' })
        : emit(event, ...args),
  });
}

function option(packet: DhcpPacket, code: number): Uint8Array {
  return packet.options.get(code) ?? new Uint8Array();
}

function saysNak(asked: Asked): readonly Answer[] {
  return asked.type === 'request' ? [{ type: 'nak' }] : serverMode(asked);
}

async function openLoopbackSocket(options: { readonly port: number }): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(options.port, '127.0.0.1');
  await once(socket, 'listening');
  return socket;
}

function stepNames(result: SimulationResult): string[] {
  return result.steps.map((step) => `${step.ok ? '' : '✗ '}${step.step}`);
}

const LATER_STEPS = [
  'boot-script',
  'script',
  'kernel',
  'initrd',
  'os-discover',
  'os-request',
  'config',
  'report',
];

t.test('in server mode a UEFI machine boots from power-on to its report', async (test) => {
  const { result, tftp } = await simulate();
  test.strictSame(stepNames(result), [
    'rom-discover',
    'rom-request',
    'tftp-size',
    'tftp-read',
    'ipxe-discover',
    'ipxe-request',
    ...LATER_STEPS,
  ]);
  test.equal(result.ok, true);
  test.strictSame(result.addresses, { rom: ADDRESS, ipxe: ADDRESS, os: ADDRESS });
  test.equal(result.loader?.bytes, 70_000);
  test.equal(result.kernel?.bytes, 6);
  test.equal(result.initrds[0]?.sha256.length, 64);
  test.equal(result.hostname, 'node-123456');
  test.equal(result.role, 'worker');
  test.match(result.config, /^#cloud-config/);
  test.equal(result.scripts.length, 2);
  test.match(result.cmdline, /^cloud-config-url=/);
  test.ok(result.packets.some((packet) => packet.direction === 'received'));
  test.strictSame(
    tftp.map((packet) => packet.kind),
    ['read', 'error'],
    'the size probe is stopped with an ERROR',
  );
});

t.test('ROM, iPXE and operating system ask with the options that firmware sends', async (test) => {
  const { asked } = await simulate({ arch: 'uefi-arm64' });
  const of = (who: Asked['who']): DhcpPacket => asked.find((one) => one.who === who)?.packet as DhcpPacket;
  const rom = of('rom');
  test.equal(decodeVendorClass(option(rom, 60)).text, 'PXEClient:Arch:00011:UNDI:003016');
  test.strictSame(decodeClientArchitectures(option(rom, 93)), [11]);
  test.equal(option(rom, 97).length, 17);
  test.equal(decodeClientUuid(option(rom, 97)), UUID);
  test.equal(rom.flags, 0x8000);
  test.equal(macFromBytes(rom.chaddr), MAC);
  test.notOk(rom.options.has(77) || rom.options.has(175));
  const ipxe = of('ipxe');
  test.strictSame(decodeUserClass(option(ipxe, 77)), ['iPXE']);
  test.ok(decodeIpxeOptions(option(ipxe, 175)).features.includes('http'));
  test.strictSame(decodeClientArchitectures(option(ipxe, 93)), [11]);
  const os = of('os');
  test.notOk(os.options.has(60) || os.options.has(93) || os.options.has(97));
  test.notSame(option(os, 61), option(ipxe, 61), 'the operating system has another client identifier');
});

t.test('the ROM asks at secs 0, 4, 12 and 28 and gives up, as EDK2 does', async (test) => {
  const { asked, result } = await simulate({
    answer: () => [],
    sleepFactor: 0.001,
    options: { timing: FIRMWARE_TIMING },
  });
  test.strictSame(
    asked.map((one) => one.packet.secs),
    [0, 4, 12, 28],
  );
  test.equal(result.steps.at(-1)?.ok, false);
  test.match(result.steps.at(-1)?.answered, /no offer after 4 tries/);
  test.match(result.steps.at(-1)?.remedy, /tinderbox serve.*network\.interface.*eth1.*firewall/);
});

t.test('an offer that comes at the third try is taken', async (test) => {
  const { asked, result } = await simulate({
    answer: (question) =>
      question.who === 'rom' && question.type === 'discover' && question.attempt < 3
        ? []
        : serverMode(question),
    options: { until: 'loader' },
  });
  test.equal(result.ok, true);
  test.equal(asked.filter((one) => one.type === 'discover').length, 3);
  test.match(result.steps[0]?.answered, /at try 3/);
});

t.test('beside another DHCP server a UEFI ROM goes to port 4011, from port 4011', async (test) => {
  const { result, asked } = await simulate({ answer: proxyMode(false) });
  test.equal(result.ok, true);
  test.strictSame(stepNames(result).slice(0, 4), ['rom-discover', 'rom-request', 'rom-proxy', 'tftp-size']);
  const proxied = asked.find((one) => one.port === 4011);
  test.equal(proxied?.fromPort, 4011);
  test.equal(proxied?.packet.ciaddr, ADDRESS);
  test.notOk(stepNames(result).includes('ipxe-proxy'), 'iPXE takes the file of the proxy offer');
  const selected = asked.find((one) => one.type === 'request' && one.port === 67);
  test.strictSame(
    selected?.packet.options.get(54),
    ipv4Value(ROUTER),
    'the address is asked of the server that offered it',
  );
});

t.test('a proxy offer with option 43 is booted from without port 4011', async (test) => {
  const { result, asked } = await simulate({ arch: 'bios', answer: proxyMode(true) });
  test.equal(result.ok, true);
  test.notOk(asked.some((one) => one.port === 4011));
});

t.test('iPXE asks port 4011 from port 68 where the proxy offer names no file', async (test) => {
  const full = proxyMode(false);
  const { result, asked } = await simulate({
    answer: (question) =>
      full(question).map((answer) =>
        question.who === 'ipxe' && question.port === 67 ? { ...answer, file: '' } : answer,
      ),
  });
  test.equal(result.ok, true);
  test.ok(stepNames(result).includes('ipxe-proxy'));
  test.equal(asked.find((one) => one.who === 'ipxe' && one.port === 4011)?.fromPort, 68);
});

t.test('iPXE waits for a proxy unless option 175 says that none comes', async (test) => {
  const bootScript = async (noPxeDhcp: boolean): Promise<string | undefined> => {
    const { result } = await simulate({
      pages: { 'GET http://10.77.0.1/proxy.ipxe': MACHINE_SCRIPT },
      answer: (question) => {
        const answers = serverMode(question);
        if (question.who !== 'ipxe' || question.type !== 'discover') return answers;
        const pxe: [number, Uint8Array] = [OPTION.vendorClass, textValue('PXEClient')];
        const late: Answer = {
          type: 'offer',
          file: 'http://10.77.0.1/proxy.ipxe',
          options: [pxe],
          after: 50,
        };
        return [...answers.map((answer) => (noPxeDhcp ? answer : { ...answer, options: [] })), late];
      },
      options: { timing: { ...FIRMWARE_TIMING, settle: 0 } },
    });
    test.equal(result.ok, true);
    return result.scripts[0]?.url;
  };
  test.equal(await bootScript(false), 'http://10.77.0.1/proxy.ipxe');
  test.equal(await bootScript(true), 'http://10.77.0.1/boot.ipxe');
});

t.test('UEFI HTTP boot loads a URL and then asks as a plain UEFI iPXE', async (test) => {
  const pages = { 'GET http://10.77.0.1/snponly.efi': 'efi' };
  const { result, asked } = await simulate({ arch: 'uefi-x64-http', pages });
  test.equal(result.ok, true);
  test.ok(stepNames(result).includes('http-loader'));
  const ipxe = asked.find((one) => one.who === 'ipxe')?.packet;
  test.strictSame(decodeClientArchitectures(ipxe?.options.get(93) ?? new Uint8Array()), [7]);
});

t.test('a 503 with Retry-After is waited for, as iPXE does', async (test) => {
  let busy = 2;
  const { result } = await simulate({
    pages: {
      'GET http://10.77.0.1/assets/vmlinuz': () =>
        busy-- > 0
          ? new Response('later', { status: 503, headers: { 'retry-after': '2' } })
          : withLength('kernel'),
    },
  });
  test.equal(result.ok, true);
  test.equal(busy, -1);
});

t.test('each step is told as it ends, and the machine stops where it was asked to', async (test) => {
  const seen: ClientStep[] = [];
  const { result } = await simulate({ options: { onStep: (step) => seen.push(step), until: 'config' } });
  test.strictSame(seen, result.steps);
  test.equal(result.steps.at(-1)?.step, 'config');
});

t.test('each failure names its step, what was expected and what to do', async (test) => {
  const cases: [string, Setup, string, RegExp, RegExp][] = [
    ['silent server', { answer: () => [] }, 'rom-discover', /no offer/, /firewall/],
    [
      'a proxy alone',
      { answer: (asked) => proxyMode(true)(asked).filter((answer) => answer.address === undefined) },
      'rom-discover',
      /no offer of an address/,
      /DHCP server beside it|dhcp\.mode: server/,
    ],
    [
      'an address alone',
      { answer: (asked) => serverMode(asked).map((answer) => ({ ...answer, file: '' })) },
      'rom-discover',
      /can boot from/,
      /tinderbox check/,
    ],
    ['rubbish', { answer: () => [new Uint8Array(240)] }, 'rom-discover', /malformed/, /tcpdump/],
    ['NAK', { answer: saysNak }, 'rom-request', /NAK/, /events/],
    [
      'no ACK',
      { answer: (asked) => (asked.type === 'request' ? [] : serverMode(asked)) },
      'rom-request',
      /no ACK/,
      /log/,
    ],
    [
      'silence on 4011',
      { answer: (asked) => (asked.port === 4011 ? [] : proxyMode(false)(asked)) },
      'rom-proxy',
      /no answer from 10\.77\.0\.1:4011/,
      /UDP 4011/,
    ],
    ['silent TFTP', { tftp: () => undefined }, 'tftp-size', /no answer/, /UDP 69/],
    [
      'no such boot file',
      { tftp: () => ({ kind: 'error', code: 1, message: 'File not found' }) },
      'tftp-size',
      /refused snponly\.efi: error 1, File not found/,
      /tinderbox check/,
    ],
    [
      'a size that lies',
      { tftp: () => ({ kind: 'options-ack', options: new Map([['tsize', '5']]) }) },
      'tftp-read',
      /70000 bytes.*said to be 5/,
      /replaced/,
    ],
    [
      'a name for HTTP boot',
      {
        arch: 'uefi-x64-http',
        answer: (asked) =>
          serverMode(asked).map((answer) =>
            asked.who === 'rom' ? { ...answer, file: 'snponly.efi' } : answer,
          ),
      },
      'http-loader',
      /wants a URL/,
      /http\.url/,
    ],
    [
      'no boot script',
      { pages: { 'GET http://10.77.0.1/boot.ipxe': new Response('gone', { status: 410 }) } },
      'boot-script',
      /answered 410: gone/,
      /boot again/,
    ],
    [
      'a failed render',
      {
        pages: {
          [`GET http://10.77.0.1/ipxe?mac=${MAC}&uuid=${UUID}`]: new Response('template', { status: 500 }),
        },
      },
      'script',
      /ended without a kernel/,
      /tinderbox render/,
    ],
    [
      'an unknown command',
      { pages: { 'GET http://10.77.0.1/boot.ipxe': '#!ipxe\nsanboot x' } },
      'script',
      /sanboot/,
      /real firmware/,
    ],
    [
      'a missing kernel',
      { pages: { 'GET http://10.77.0.1/assets/vmlinuz': new Response('', { status: 404 }) } },
      'script',
      /ended without a kernel/,
      /render/,
    ],
    [
      'a kernel without Content-Length',
      { pages: { 'GET http://10.77.0.1/assets/vmlinuz': () => new Response('kernel') } },
      'script',
      /ended without a kernel/,
      /render/,
    ],
    [
      'an empty configuration',
      { pages: { 'GET http://10.77.0.1/boot/abc/cloud-config': '\n' } },
      'config',
      /is empty/,
      /role/,
    ],
    [
      'a refused report',
      {
        pages: { 'POST http://10.77.0.1/boot/abc/report stage=booted': new Response('no', { status: 403 }) },
      },
      'report',
      /answered 403: no/,
      /timeline/,
    ],
  ];
  for (const [name, setup, step, answered, remedy] of cases) {
    const { result } = await simulate(setup);
    const last = result.steps.at(-1);
    test.equal(result.ok, false, name);
    test.equal(last?.step, step, name);
    test.equal(last?.ok, false, name);
    test.match(last?.answered, answered, name);
    test.match(last?.remedy, remedy, name);
  }
});

t.test('a script that never ends is stopped by the time for the whole boot', async (test) => {
  const { result } = await simulate({
    pages: { 'GET http://10.77.0.1/boot.ipxe': '#!ipxe\n:again\nsleep 100\ngoto again' },
    options: { signal: AbortSignal.timeout(800) },
  });
  test.equal(result.ok, false);
  test.match(result.steps.at(-1), { ok: false, answered: /time for the whole boot/, remedy: /--timeout/ });
});

t.test('a machine that is told to wait says so after a few questions', async (test) => {
  const wait = '#!ipxe\necho this machine waits for approval\nsleep 10\nchain --replace /wait ||\nshell';
  const { result } = await simulate({
    pages: { 'GET http://10.77.0.1/boot.ipxe': wait, 'GET http://10.77.0.1/wait': wait },
  });
  test.match(result.steps.at(-1), {
    step: 'script',
    ok: false,
    answered: /waits for approval/,
    remedy: /approve/,
  });
  const patient = await simulate({
    pages: { 'GET http://10.77.0.1/boot.ipxe': wait, 'GET http://10.77.0.1/wait': wait },
    options: { questions: 5 },
  });
  test.equal(patient.result.scripts.length, 6, 'as often as it is told to');
});

const waitingScript = (...said: readonly string[]) =>
  `#!ipxe\n${said.map((line) => `echo ${line}\n`).join('')}sleep 10\nchain --replace /wait ||\nshell`;

t.test(
  'what a script says as it waits is told once for each change, and is why time ran out',
  async (test) => {
    const screens: (readonly string[])[] = [];
    const over = new AbortController();
    let asked = 0;
    const { result } = await simulate({
      pages: {
        'GET http://10.77.0.1/boot.ipxe': waitingScript('', 'it waits', 'MAC x'),
        'GET http://10.77.0.1/wait': () => {
          asked++;
          if (asked === 4) over.abort();
          return new Response(
            asked < 3 ? waitingScript('it waits', 'MAC x') : waitingScript('it is refused'),
          );
        },
      },
      options: { questions: 100, signal: over.signal, onScreen: (lines) => screens.push(lines) },
    });
    test.same(screens, [['it waits', 'MAC x'], ['it is refused']]);
    test.equal(result.ok, false);
    test.match(result.steps.at(-1), {
      step: 'script',
      ok: false,
      answered: /made to wait until the time was over: it is refused/,
      remedy: /tinderbox machines MAC/,
    });
  },
);

t.test('a machine that went on after it waited is not said to wait', async (test) => {
  const over = new AbortController();
  const { result } = await simulate({
    pages: {
      'GET http://10.77.0.1/boot.ipxe':
        '#!ipxe\necho it waits\nsleep 1\nkernel http://10.77.0.1/assets/vmlinuz || shell\nboot',
      'GET http://10.77.0.1/assets/vmlinuz': () => {
        setImmediate(() => over.abort());
        return new Response('kernel', { headers: { 'content-length': '6' } });
      },
    },
    options: { signal: over.signal },
  });
  test.match(result.steps.at(-1), { ok: false, answered: /time for the whole boot was over/ });
});

t.test(
  'a machine that boots its own disk is done with its script, by what its firmware makes of it',
  async (test) => {
    const rows: [string, string, boolean][] = [
      ['uefi-x64', 'exit 1', true],
      ['uefi-x64', 'sanboot --no-describe --drive 0x80', true],
      ['uefi-x64', 'exit 0', false],
      ['uefi-x64', 'iseq a b', false],
      ['bios', 'sanboot --no-describe --drive 0x80', true],
      ['bios', 'exit 1', false],
    ];
    for (const [arch, command, ok] of rows) {
      const { result } = await simulate({
        arch,
        pages: { 'GET http://10.77.0.1/boot.ipxe': `#!ipxe\necho node-1, role local\n${command}` },
      });
      const name = `${arch}: ${command}`;
      test.equal(result.ok, ok, name);
      test.equal(result.localDisk, ok || undefined, name);
      test.match(result.steps.at(-1), { step: ok ? 'local-disk' : 'script', ok }, name);
      test.equal(result.role, 'local', name);
    }
  },
);

t.test('one port serves many machines, each its own replies', async (test) => {
  const server = createSocket('udp4');
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const port = await createClientPort(openLoopbackSocket, undefined, { ports: { client: 0, pxe: 0 } });
  const loopback = parseIpv4('127.0.0.1') as Ipv4;
  // Everything comes back to the sender twice: as it is, and under a transaction that nobody has.
  server.on('message', (bytes, remote) => {
    server.send(bytes, remote.port, remote.address);
    server.send(Uint8Array.from(bytes).fill(0xee, 4, 8), remote.port, remote.address);
  });
  const heard = new Map<number, number>();
  const packets = Array.from({ length: 50 }, (_, index) => {
    const chaddr = new Uint8Array(16);
    chaddr.set(macToBytes(`52:54:00:00:00:${index.toString(16).padStart(2, '0')}` as Mac));
    const bytes = new Uint8Array(300);
    bytes.set(chaddr, 28);
    new DataView(bytes.buffer).setUint32(4, 1000 + (index % 5));
    return bytes;
  });
  const all = new Promise<void>((resolve) => {
    for (const [index, bytes] of packets.entries()) {
      port.subscribe(1000 + (index % 5), macFromBytes(bytes.subarray(28, 34)), (received) => {
        test.equal(received.bytes[33], index);
        heard.set(index, (heard.get(index) ?? 0) + 1);
        if (heard.size === packets.length) resolve();
      });
    }
  });
  for (const bytes of packets) await port.send(bytes, loopback, server.address().port);
  await all;
  test.ok(
    [...heard.values()].every((count) => count === 1),
    'no machine hears another, nor twice',
  );
  const stop = port.subscribe(7, MAC, () => test.fail('nobody listens any more'));
  stop();
  const sent = await port.sendPxe(packets[0] as Uint8Array, loopback, server.address().port);
  test.not(sent, 0);
  await port.close();
  await new Promise<void>((done) => server.close(() => done()));
});

t.test('what a port had no room for is counted over its sockets, each through its batches', async (test) => {
  let closed = 0;
  const inBatches = (socket: DatagramSocket): DatagramSocket => ({
    on: socket.on.bind(socket),
    off: (event, listener) => socket.off(event, listener),
    send: (bytes, to, address, sent) => socket.send(bytes, to, address, sent),
    dropped: () => 2,
    close: (done) => {
      closed++;
      return socket.close(done);
    },
  });
  const port = await createClientPort(openLoopbackSocket, undefined, {
    ports: { client: 0, pxe: 0 },
    inBatches,
  });
  test.equal(port.dropped(), 2);
  await port.sendPxe(new Uint8Array(300), parseIpv4('127.0.0.1') as Ipv4, 9);
  test.equal(port.dropped(), 4);
  await port.close();
  test.equal(closed, 2);
});

t.test('where another program holds 4011, the port asks from 68', async (test) => {
  let opened = 0;
  const openSocket = async (): Promise<Socket> => {
    if (opened++ > 0) throw new TinderboxError('in-use', 'the daemon has it');
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  };
  const port = await createClientPort(openSocket, undefined, { ports: { client: 0, pxe: 0 } });
  const sink = createSocket('udp4');
  sink.bind(0, '127.0.0.1');
  await once(sink, 'listening');
  const from = await port.sendPxe(new Uint8Array(300), parseIpv4('127.0.0.1') as Ipv4, sink.address().port);
  test.ok(from > 0);
  test.equal(opened, 2);
  await port.close();
  sink.close();
});
