/*
 * A hall of simulated machines on one interface: each boots, is reset half-way, renews, releases or vanishes, as its
 * seed says, until standard input ends; what is under way then is finished. A program of its own, since a namespace is
 * entered by a process.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { toTinderboxError } from '../../src/errors.ts';
import { readTftpFile } from '../../src/lab/tftp-client.ts';
import {
  createClientPort,
  FIRMWARE_TIMING,
  type ReadTftpFile,
  runVirtualClient,
  type SimulationResult,
  scaleTiming,
} from '../../src/lab/virtual-client.ts';
import { architectureByName, type FirmwareArchitecture } from '../../src/machine/architecture.ts';
import { formatIpv4 } from '../../src/machine/ipv4.ts';
import { parseMac } from '../../src/machine/mac.ts';
import { openUdpSocket } from '../../src/net/open-udp-socket.ts';
import { type HallEvent, type HallOrder, machineMac, type Way } from './hall-port.ts';
import { createHolder } from './hold-address.ts';
import { createRandom, type Random } from './random.ts';
import { sendStrangers } from './send-strangers.ts';

const order = JSON.parse(process.argv[2] ?? '{}') as HallOrder;
const port = await createClientPort(openUdpSocket, order.interface);
const closing = new AbortController();
process.stdin.resume().once('end', () => closing.abort());

const say = (event: HallEvent): void => void process.stdout.write(`${JSON.stringify(event)}\n`);
let boots = 0;
let nextMac = order.machines;
const xids = createRandom(order.seed, 9_999);
const randomXid = (): number => 1 + xids.below(0xfffffffe);
const holder = createHolder({ port, device: order.interface, server: order.server, randomXid, say });

/** Patient where firmware gives up: on a host that is busy with other things a transfer in lock step takes its time. */
const fast = scaleTiming(FIRMWARE_TIMING, order.pace);
const TIMING = {
  ...fast,
  discoverWaits: [...fast.discoverWaits, 16_000, 16_000],
  requestWaits: [...fast.requestWaits, 16_000],
  proxyWaits: [...fast.proxyWaits, 4_000, 16_000],
  tftpTimeout: 20_000,
};

function chooseWay(random: Random, resets: number): Way {
  const drawn = random.between(0, 1);
  if (drawn < 0.5) return 'boot';
  if (drawn < 0.68) return 'renew';
  if (drawn < 0.78) return 'release';
  // A ROM that comes back five times is taken for one that loops, as it should be.
  if (drawn < 0.93) return resets < 2 ? 'reset' : 'boot';
  return 'vanish';
}

function architecture(name: string): FirmwareArchitecture {
  const found = architectureByName(name);
  if (found === undefined) throw new Error(`no architecture ${name}`);
  return found;
}

/**
 * The package ends a transfer at the second OACK, which a server sends to whoever is slow; firmware acknowledges it
 * again. So it is asked again here, also where a busy host was too slow for both.
 */
const readPatiently: ReadTftpFile = async (...args) => {
  for (let tries = 5; ; tries--) {
    try {
      return await readTftpFile(...args);
    } catch (thrown) {
      if (tries === 1 || toTinderboxError(thrown).code !== 'unavailable') throw thrown;
    }
  }
};

async function boot(
  mac: string,
  arch: FirmwareArchitecture,
  way: Way,
  random: Random,
): Promise<SimulationResult> {
  const number = ++boots;
  const startedAt = Date.now();
  const parsed = parseMac(mac);
  if (parsed === undefined) throw new Error(`${mac} is no MAC`);
  say({ kind: 'began', at: startedAt, boot: number, mac, way });
  const cut = way === 'reset' || way === 'vanish' ? random.between(5, 300) : order.patience;
  let asked = 0;
  const result = await runVirtualClient(
    { mac: parsed, uuid: `74696e64-6572-4000-8000-${mac.replaceAll(':', '')}`, architecture: arch },
    {
      port,
      openSocket: openUdpSocket,
      readFile: readPatiently,
      fetch,
      now: () => performance.now(),
      sleep: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
      randomXid,
      async useAddress(address) {
        say({ kind: 'address', at: asked, mac, address: formatIpv4(address) });
      },
    },
    {
      timing: TIMING,
      until: 'report',
      keepPackets: false,
      questions: 20,
      onStep({ step, ms }) {
        if (step.endsWith('-request')) asked = Math.floor(Date.now() - ms);
      },
      signal: AbortSignal.timeout(Math.ceil(cut)),
    },
  );
  const failed = result.steps.findLast(({ ok }) => !ok);
  say({
    kind: 'ended',
    at: Date.now(),
    startedAt,
    boot: number,
    mac,
    way,
    ok: result.ok,
    reported: result.steps.some(({ step, ok }) => step === 'report' && ok),
    step: failed?.step ?? '',
    why: failed === undefined ? '' : `${failed.asked}: ${failed.answered}`,
    kernel: result.kernel?.sha256 ?? '',
    configOf: /([0-9a-f]{2}:){5}[0-9a-f]{2}/.exec(result.config ?? '')?.[0] ?? '',
  });
  return result;
}

async function runMachine(index: number): Promise<void> {
  const random = createRandom(order.seed, index);
  const arch = architecture(random.pick(['bios', 'uefi-x64']));
  const rest = (): Promise<void> =>
    delay(random.between(0, order.rest), undefined, { signal: closing.signal }).catch(() => undefined);
  let mac = machineMac(index);
  let resets = 0;
  await rest();
  while (!closing.signal.aborted) {
    const way = chooseWay(random, resets);
    const { ok, addresses } = await boot(mac, arch, way, random);
    resets = way === 'reset' ? resets + 1 : 0;
    const address = addresses.os;
    if (ok && address !== undefined && way === 'renew') {
      await rest();
      await holder.renew(mac, address);
    }
    if (ok && address !== undefined && way === 'release') await holder.release(mac, address);
    // Somebody carries it away, and puts another one in its place.
    if (way === 'vanish' && index >= order.listed) mac = machineMac(nextMac++);
    if (way !== 'reset') await rest();
  }
}

await Promise.all([
  ...Array.from({ length: order.machines }, (_, index) => runMachine(index)),
  sendStrangers({ port, order, randomXid, say, closing: closing.signal }),
]);
await port.close();
