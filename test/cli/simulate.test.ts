import type { Socket } from 'node:dgram';
import { EventEmitter } from 'node:events';
import t from 'tap';
import {
  formatEnd,
  formatJson,
  formatScreen,
  runSimulate,
  type SimulateArgs,
} from '../../src/cli/simulate.ts';
import { TinderboxError } from '../../src/errors.ts';
import type { ClientStep, SimulationResult, VirtualMachine } from '../../src/lab/virtual-client.ts';
import { architectureByName } from '../../src/machine/architecture.ts';
import type { Mac } from '../../src/machine/mac.ts';
import { decodeDhcpPacket } from '../../src/protocol/dhcp/packet.ts';

/** A cable with nobody at its other end; remembers what was sent. */
function createSilentSocket(sent: Uint8Array[]): Socket {
  return Object.assign(new EventEmitter(), {
    address: () => ({ address: '0.0.0.0', family: 'IPv4', port: 68 }),
    send: (bytes: Uint8Array, _port: number, _host: string, done: (error: null) => void) => {
      sent.push(bytes);
      done(null);
    },
    close: (done: () => void) => done(),
  }) as unknown as Socket;
}

async function simulate(args: Omit<SimulateArgs, 'interface'>) {
  const sent: Uint8Array[] = [];
  let output = '';
  const code = await runSimulate(
    { interface: 'eth1', timeout: 0.2, ...args },
    {
      openSocket: () => Promise.resolve(createSilentSocket(sent)),
      readFile: () => Promise.reject(new Error('no files here')),
      fetch: () => Promise.reject(new Error('no pages here')),
      write: (text) => {
        output += text;
      },
    },
  );
  return { code, output, sent };
}

void t.test('a silent network ends with 1, the step that failed, and what to do', async (test) => {
  const { code, output } = await simulate({});
  test.equal(code, 1);
  test.match(output, /^02:74:62:6f:78:01, UEFI x64, on eth1\n✗ rom-discover/);
  test.match(output, /failed at rom-discover after \d/);
  test.match(output, /--timeout/);
});

void t.test('--arch, --mac and --uuid are what the machine says of itself', async (test) => {
  const { sent } = await simulate({
    arch: 'bios',
    mac: '52-54-00-AB-CD-EF',
    uuid: '11223344-5566-7788-99AA-BBCCDDEEFF00',
  });
  const packet = decodeDhcpPacket(sent[0] ?? new Uint8Array());
  test.strictSame([...packet.chaddr.subarray(0, 6)], [0x52, 0x54, 0, 0xab, 0xcd, 0xef]);
  test.strictSame([...(packet.options.get(93) ?? [])], [0, 0]);
  test.strictSame([...(packet.options.get(97) ?? [])].slice(0, 5), [0, 0x44, 0x33, 0x22, 0x11]);
});

void t.test('--json prints one object with every step and packet', async (test) => {
  const { code, output } = await simulate({ json: true });
  const result = JSON.parse(output) as { ok: boolean; steps: object[]; packets: { bytes: string }[] };
  test.equal(code, 1);
  test.equal(result.ok, false);
  test.match(result.steps[0], { step: 'rom-discover', ok: false });
  test.match(result.packets[0]?.bytes, /^01010600/);
});

const URL_WITH_TOKEN = 'http://10.77.0.1/boot/7-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

function makeResult(step: ClientStep['step']): SimulationResult {
  const last = { step, ok: true, asked: `GET ${URL_WITH_TOKEN}/x`, answered: '200', bytes: 1, ms: 1 };
  return {
    ok: true,
    steps: [last],
    packets: [],
    addresses: {},
    scripts: [{ url: 'http://10.77.0.1/ipxe', text: `kernel x url=${URL_WITH_TOKEN}/cloud-config` }],
    console: [],
    initrds: [],
    cmdline: `session=${URL_WITH_TOKEN}`,
    config: `report: ${URL_WITH_TOKEN}/report\n`,
    hostname: 'node-1',
    role: 'worker',
    ms: 1500,
    waitedMs: 0,
  };
}

void t.test('JSON shows no session token, which is the right to a configuration', async (test) => {
  const architecture = architectureByName('uefi-x64');
  const machine = { mac: '52:54:00:12:34:56' as Mac, uuid: 'x', architecture } as VirtualMachine;
  const text = formatJson(machine, makeResult('config'));
  test.notMatch(text, 'AAAA');
  test.match(JSON.parse(text), { config: /\/boot\/7-…\/report/, machine: { mac: machine.mac } });
});

void t.test('a screen is printed line by line, without tokens and what would act on the terminal', (test) => {
  test.equal(
    formatScreen(['Tinderbox: it waits', `\u001b[2Jfailed: ${URL_WITH_TOKEN}/x`]),
    '  its screen:\n    | Tinderbox: it waits\n    | [2Jfailed: http://10.77.0.1/boot/7-…/x\n',
  );
  test.end();
});

void t.test('only what was reported is called booted', async (test) => {
  test.equal(formatEnd(makeResult('report')), 'booted node-1 as worker in 1.5 s\n');
  const local = { ...makeResult('local-disk'), role: 'local', localDisk: true };
  test.equal(formatEnd(local), 'handed over to its own disk as local after 1.5 s\n');
  test.equal(formatEnd(makeResult('config')), 'configured node-1 as worker in 1.5 s\n');
});

void t.test('wrong usage is refused before a socket is opened', async (test) => {
  const cases: [Partial<SimulateArgs>, RegExp][] = [
    [{ arch: 'pdp11' }, /no architecture is named pdp11/],
    [{ mac: 'nonsense' }, /nonsense is no MAC/],
    [{ uuid: '1-2-3' }, /1-2-3 is no UUID/],
    [{ timeout: 'soon' }, /soon is no time-out/],
    [{ timeout: 0 }, /0 is no time-out/],
  ];
  for (const [args, message] of cases) {
    const failed = simulate(args).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    const error = await failed;
    test.ok(error instanceof TinderboxError);
    test.match(error, { code: 'usage', message });
  }
});
