import { createWriteStream, existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { TinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import { parseMac } from '../machine/mac.ts';
import { createMilestoneReader } from './boot-milestones.ts';
import { ensureDebianLoaders } from './debian-loaders.ts';
import type { Log } from './debian-packages.ts';
import { ensureDebianPackages, LAB_PACKAGES } from './debian-packages.ts';
import type { LiveImage } from './live-image.ts';
import { ensureLiveImage } from './live-image.ts';
import { type MachineKind, packagesOf, processorOf } from './machine-kinds.ts';
import type { NetworkNamespace } from './namespace.ts';
import { createProvisioningNetwork } from './provisioning-network.ts';
import { startQemuMachine } from './qemu-machine.ts';
import { runProgram } from './run-program.ts';

export interface DemoOptions {
  readonly kind: MachineKind;
  readonly mode: 'server' | 'proxy';
  readonly kvm: boolean;
  readonly log: Log;
  /** Ends it early; everything is taken down. */
  readonly signal: AbortSignal;
}

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TINDERBOX = `${ROOT}bin/tinderbox`;
const DEMO_MAC = parseMac('52:54:00:77:00:01') as Mac;
const SERVER_PATIENCE = 15_000;
/** An arm64 processor is emulated at half the speed. */
const BOOT_PATIENCE = 300_000;

export interface DemoImage extends LiveImage {
  /** Files of assets/ipxe by name, with where they are. */
  readonly bootFiles: Readonly<Record<string, string>>;
  /** More of tinderbox.yaml. */
  readonly config: string;
}

/** iPXE is not signed, and not built for arm64. */
export function needsGrub(kind: MachineKind): boolean {
  return kind === 'uefi-x64-secure' || processorOf(kind) === 'arm64';
}

/** Installs and builds what the demo needs; the part that may need root of the host, or another user's sudo. */
export async function prepareDemo({
  mode,
  kind,
  log,
}: Pick<DemoOptions, 'mode' | 'kind' | 'log'>): Promise<DemoImage> {
  const more = [...(mode === 'proxy' ? ['dnsmasq-base'] : []), ...(needsGrub(kind) ? ['grub-common'] : [])];
  await ensureDebianPackages([...LAB_PACKAGES, ...packagesOf(kind), ...more], { log });
  const order = { cache: `${ROOT}.cache/live-image`, log, processor: processorOf(kind) };
  const image = await ensureLiveImage(order);
  if (!needsGrub(kind)) return { ...image, bootFiles: {}, config: '' };
  const { shim, signedGrub, grub } = await ensureDebianLoaders(order);
  if (kind === 'uefi-x64-secure') {
    const bootFiles = { 'shimx64.efi': shim, 'grubx64.efi': signedGrub };
    return { ...image, bootFiles, config: 'loaders: { uefi-x64: shimx64.efi }\n' };
  }
  return { ...image, bootFiles: { 'grub.efi': grub }, config: `loaders: { ${kind}: grub.efi }\n` };
}

/**
 * Boots a virtual diskless machine from a real daemon in a network of its own and shows how it goes. Needs root, or
 * root of a user namespace. Throws TinderboxError when the machine does not come up; the folder with the logs is
 * then kept, and named in the error.
 */
export async function runDemo(image: DemoImage, options: DemoOptions): Promise<void> {
  const folder = await mkdtemp(`${tmpdir()}/tinderbox-demo-`);
  try {
    await bootOnce(image, folder, options);
  } catch (error) {
    if (options.signal.aborted) await rm(folder, { recursive: true, force: true });
    throw options.signal.aborted
      ? new TinderboxError('unavailable', 'the demo was stopped')
      : await withLogs(error, folder);
  }
  await rm(folder, { recursive: true, force: true });
}

async function bootOnce(image: DemoImage, folder: string, options: DemoOptions): Promise<void> {
  const { kind, mode, log, signal } = options;
  const started = Date.now();
  const say = (text: string): void =>
    log(`${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${text}`);

  const config = await writeDemoFiles(image, folder, mode);
  await using network = await createProvisioningNetwork({ plainDhcp: mode === 'proxy' });
  say(
    `a network of its own: ${network.bridge} ${network.address}, nothing of it reaches this host's networks`,
  );
  if (mode === 'proxy') say('another DHCP server is there and gives the addresses (dnsmasq)');

  const daemon = network.namespace.spawn([TINDERBOX, 'serve', '--config', config], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const daemonLog = createWriteStream(`${folder}/daemon.log`);
  daemon.stdout?.pipe(daemonLog, { end: false });
  daemon.stderr?.pipe(daemonLog, { end: false });
  await waitForServer(network.namespace, network.address, () => daemon.exitCode !== null, signal);
  say(`tinderbox serves (${mode} mode)`);

  await using machine = await startQemuMachine({
    kind,
    namespace: network.namespace,
    tap: network.taps[0] as string,
    mac: DEMO_MAC,
    folder: `${folder}/machine`,
    kvm: options.kvm,
  });
  say(`powered on: ${kind}, ${DEMO_MAC}, no disk`);
  const milestone = createMilestoneReader(kind);
  let inConfig = false;
  machine.console.onLine((line) => {
    const text = milestone(line);
    if (text !== undefined) say(`  ${text}`);
    if (line.includes('--- end ---')) inConfig = false;
    if (inConfig) log(`            | ${line}`);
    if (line.includes('--- cloud-config ---')) inConfig = true;
  });
  await until(
    signal,
    machine.console.waitFor(/tinderbox: (reported booted|failed|could not report)/, {
      timeout: BOOT_PATIENCE,
    }),
  );
  // The daemon writes history behind; a moment later the timeline is whole.
  const timeline = await until(signal, waitForTimeline(config));
  log('');
  log(`$ tinderbox machines ${DEMO_MAC}`);
  log(timeline.trimEnd());
  log('');
  log(`booted, ${((Date.now() - started) / 1000).toFixed(0)} s after the start`);
}

/** Configuration, profiles and assets of the demo; the path of tinderbox.yaml. */
async function writeDemoFiles(image: DemoImage, folder: string, mode: 'server' | 'proxy'): Promise<string> {
  await cp(fileURLToPath(new URL('profiles', import.meta.url)), `${folder}/profiles`, { recursive: true });
  await writeFile(
    `${folder}/profiles/machines.yaml`,
    `machines:\n  ${DEMO_MAC}: { role: demo, hostname: demo-1 }\ndefault: demo\n`,
  );
  await mkdir(`${folder}/assets/live`, { recursive: true });
  await cp(image.kernel, `${folder}/assets/live/vmlinuz`);
  await cp(image.initrd, `${folder}/assets/live/initrd.img`);
  await mkdir(`${folder}/assets/ipxe`);
  for (const [name, source] of Object.entries(image.bootFiles)) {
    await cp(source, `${folder}/assets/ipxe/${name}`);
  }
  const dhcp =
    mode === 'proxy'
      ? 'dhcp: { mode: proxy }'
      : 'dhcp: { mode: server, range: 10.77.0.100-10.77.0.200, leaseTime: 10m, router: 10.77.0.1 }';
  const config = `${folder}/tinderbox.yaml`;
  await writeFile(
    config,
    `network: { interface: br0 }\n${dhcp}\npaths: { profiles: ./profiles, assets: ./assets, state: ./var }\n${image.config}`,
  );
  return config;
}

/** Asks `/healthz` from inside the namespace until it answers. */
async function waitForServer(
  namespace: NetworkNamespace,
  address: string,
  ended: () => boolean,
  signal: AbortSignal,
): Promise<void> {
  const ask = `fetch('http://${address}/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`;
  const deadline = Date.now() + SERVER_PATIENCE;
  while (Date.now() < deadline && !ended()) {
    signal.throwIfAborted();
    const up = await namespace.run([process.execPath, '-e', ask]).then(
      () => true,
      () => false,
    );
    if (up) return;
    await sleep(200);
  }
  throw new TinderboxError(
    'unavailable',
    ended() ? 'tinderbox serve ended' : 'tinderbox serve did not become ready',
  );
}

/** The machine's timeline once it says `booted`. */
async function waitForTimeline(config: string): Promise<string> {
  let timeline = '';
  for (let tries = 0; tries < 10; tries += 1) {
    timeline = await runProgram([TINDERBOX, 'machines', DEMO_MAC, '--config', config]);
    if (/\bbooted\b/.test(timeline)) return timeline;
    await sleep(300);
  }
  throw new TinderboxError('unavailable', `the timeline of ${DEMO_MAC} does not say booted:\n${timeline}`);
}

/** The promise, unless the signal comes first. */
function until<T>(signal: AbortSignal, promise: Promise<T>): Promise<T> {
  // Whoever loses the race must not be reported as unhandled.
  promise.catch(() => undefined);
  return Promise.race([
    promise,
    new Promise<never>((_, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    }),
  ]);
}

async function withLogs(error: unknown, folder: string): Promise<TinderboxError> {
  const tails: string[] = [];
  for (const name of ['daemon.log', 'machine/console.log']) {
    const path = `${folder}/${name}`;
    if (!existsSync(path)) continue;
    const lines = (await readFile(path, 'utf8')).trimEnd().split('\n').slice(-20);
    tails.push(`--- the end of ${path}`, ...lines);
  }
  const known = error instanceof TinderboxError ? error : undefined;
  const message = error instanceof Error ? error.message : String(error);
  return new TinderboxError(known?.code ?? 'internal', `${message}\n${tails.join('\n')}`, {
    cause: error,
    remedy: `${known?.remedy === undefined ? '' : `${known.remedy}\n`}Everything is kept in ${folder}`,
  });
}
