import { formatIpv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { argumentOf, fetchConfig } from './virtual-client-config.ts';
import { type Configured, configureByDhcp } from './virtual-client-dhcp.ts';
import { fetchCounted, fetchText } from './virtual-client-http.ts';
import { loadBootFile } from './virtual-client-loader.ts';
import { ipxeArchitecture } from './virtual-client-packets.ts';
import { type ClientRun, failStep, runStep, WAITING, waitAsTold } from './virtual-client-run.ts';
import { type IpxeHost, runIpxeScript, type ScriptOutcome } from './virtual-client-script.ts';
import type {
  FetchedFile,
  SimulationResult,
  VirtualClientDeps,
  VirtualClientOptions,
  VirtualMachine,
} from './virtual-client-types.ts';

export { type ClientPort, createClientPort } from './virtual-client-port.ts';
export * from './virtual-client-types.ts';

const IPXE_AGENT = 'iPXE/1.21.1+git-20220113.fbbdc3926';
const CURL_AGENT = 'curl/8.14.1';
const OS_AGENT = 'coreos-cloudinit/1.14.0';

/** A machine that waits to be admitted asks for ever; a virtual one says so instead. */
const MOST_QUESTIONS = 3;
/** The longest that a script says before it waits has a line for each thing that is known of the machine. */
const SCREEN_LINES = 8;

/** What the machine has got hold of so far. */
type Findings = { -readonly [key in keyof SimulationResult]?: SimulationResult[key] };

/**
 * Switches a virtual machine on and lets it boot as firmware does: ROM, boot file, iPXE, script, kernel, the operating
 * system's own DHCP, its configuration, its report. What fails is the result's last step; throws only on a defect of this client.
 */
export async function runVirtualClient(
  machine: VirtualMachine,
  deps: VirtualClientDeps,
  options: VirtualClientOptions,
): Promise<SimulationResult> {
  const run: ClientRun = {
    machine,
    deps,
    options,
    startedAt: deps.now(),
    steps: [],
    packets: [],
    screen: { waits: '' },
    waited: { ms: 0 },
  };
  const found: Findings = { scripts: [], console: [], initrds: [], addresses: {} };
  let ok = true;
  try {
    await boot(run, found);
  } catch (thrown) {
    if (run.steps.at(-1)?.ok !== false) throw thrown;
    ok = false;
  }
  return {
    ok,
    steps: run.steps,
    packets: run.packets,
    addresses: {},
    scripts: [],
    console: [],
    initrds: [],
    ...found,
    ms: deps.now() - run.startedAt,
    waitedMs: run.waited.ms,
  };
}

async function boot(run: ClientRun, found: Findings): Promise<void> {
  const rom = await configureByDhcp(run, 'rom');
  found.addresses = { rom: rom.lease.address };
  found.loader = await loadBootFile(run, rom.boot ?? rom.lease);
  if (run.options.until === 'loader') return;

  const ipxe = await configureByDhcp(run, 'ipxe');
  found.addresses = { ...found.addresses, ipxe: ipxe.lease.address };
  const cmdline = await runBootScript(run, ipxe, found);
  if (found.localDisk === true || run.options.until === 'script') return;

  const os = await configureByDhcp(run, 'os');
  found.addresses = { ...found.addresses, os: os.lease.address };
  if (os.lease.hostname !== '') found.hostname = os.lease.hostname;
  const config = await fetchConfig(run, cmdline);
  if (config !== undefined) {
    const { text, ...said } = config;
    Object.assign(found, { config: text, ...said });
    if (run.deps.signingRequest !== undefined && run.options.until === 'report')
      await getCertificates(run, text, run.deps.signingRequest);
  }
  if (run.options.until === 'config') return;
  await sendReport(run, cmdline);
}

/** Runs what DHCP named, to the start of the kernel or of the machine's own disk. Returns the kernel's command line. */
async function runBootScript(run: ClientRun, ipxe: Configured, found: Findings): Promise<string> {
  const url = ipxe.boot?.bootFile ?? '';
  const text = await runStep(run, 'boot-script', `GET ${url}`, async () => {
    if (!/^https?:\/\//.test(url)) {
      throw failStep(
        url === '' ? 'iPXE was given no boot file' : `iPXE was given ${url}, which is no http URL`,
        'see the events of this machine: is it known as iPXE (option 77, option 175 with HTTP)?',
      );
    }
    const script = await fetchText(run, url, IPXE_AGENT, {
      redirect: 'follow',
      needsLength: false,
      by: 'ipxe',
    });
    return { value: script, answered: `a script of ${script.length} bytes`, bytes: script.length };
  });
  const scripts = [{ url, text }];
  const console: string[] = [];
  found.scripts = scripts;
  found.console = console;
  const host = createHost(run, ipxe, found, scripts, console);
  const outcome = await runIpxeScript(host, url, text).catch((thrown: unknown) => {
    if (run.steps.at(-1)?.ok === false) throw thrown;
    return runStep<never>(run, 'script', 'run the script', () => Promise.reject(thrown));
  });
  found.cmdline = outcome.cmdline;
  const role = /\brole[ =:]+([\w.-]+)/i.exec(console.join('\n'))?.[1];
  if (role !== undefined) found.role = role;
  if (outcome.kind === 'booted') return outcome.cmdline;
  const disk = diskOf(run, outcome);
  if (disk !== undefined) {
    found.localDisk = true;
    return runStep(run, 'local-disk', disk, async () => ({ value: '', answered: 'it has one', bytes: 0 }));
  }
  const said = console.slice(-SCREEN_LINES).join(' / ');
  return runStep(run, 'script', 'boot', () =>
    Promise.reject(
      failStep(
        `the script ended without a kernel (${outcome.reason || 'it simply ended'}); it said: ${said}`,
        'see the role of this machine: tinderbox machines MAC, tinderbox render MAC',
      ),
    ),
  );
}

/** UEFI firmware goes on with its next boot option after an error only: after `exit 0` it may show its menu. */
function diskOf(run: ClientRun, { kind, exitStatus = 0 }: ScriptOutcome): string | undefined {
  if (kind === 'disk') return 'boot the first disk';
  const { firmware } = ipxeArchitecture(run.machine.architecture);
  if (kind !== 'failed' || exitStatus === 0 || firmware !== 'uefi') return undefined;
  return "leave iPXE for the firmware's next boot option, the disk";
}

function createHost(
  run: ClientRun,
  ipxe: Configured,
  found: Findings,
  scripts: { url: string; text: string }[],
  console: string[],
): IpxeHost {
  const initrds: FetchedFile[] = [];
  found.initrds = initrds;
  let questions = 0;
  /** Where in the console the script that runs began. */
  let began = 0;
  const limit = run.options.questions ?? MOST_QUESTIONS;
  const settings = settingsOf(run, ipxe);
  /** To the script a failed step is a command's status, until the time for all of it is over. */
  const orElse =
    <T>(fallback: T) =>
    (thrown: unknown): T => {
      if (run.options.signal.aborted) throw thrown;
      return fallback;
    };
  return {
    setting: (name) => settings.get(name),
    async dhcp() {
      return configureByDhcp(run, 'ipxe').then(() => true, orElse(false));
    },
    async fetchScript(url) {
      if (++questions > limit) {
        const said = run.screen.waits === '' ? console.slice(-SCREEN_LINES).join(' / ') : run.screen.waits;
        await runStep(run, 'script', `GET ${url}`, () =>
          Promise.reject(failStep(`asked ${limit} times, and its screen says: ${said}`, WAITING)),
        );
      }
      began = console.length;
      const fetched = runStep(run, 'script', `GET ${url}`, async () => {
        const text = await fetchText(run, url, IPXE_AGENT, {
          redirect: 'follow',
          needsLength: false,
          by: 'ipxe',
        });
        return { value: text, answered: `a script of ${text.length} bytes`, bytes: text.length };
      });
      const text = await fetched.catch(orElse(undefined));
      if (text !== undefined) scripts.push({ url, text });
      return text;
    },
    async fetchImage(kind, url) {
      const fetched = runStep(run, kind, `GET ${url}`, async () => {
        const options = { redirect: 'follow', needsLength: true, by: 'ipxe' } as const;
        const file = await fetchCounted(run, url, IPXE_AGENT, options);
        return { value: file, answered: `${file.bytes} bytes`, bytes: file.bytes };
      });
      const file = await fetched.catch(orElse(undefined));
      if (file === undefined) return false;
      run.screen.waits = '';
      if (kind === 'kernel') found.kernel = file;
      else initrds.push(file);
      return true;
    },
    echo: (line) => console.push(line),
    async sleep(ms) {
      const lines = console.slice(began).filter((line) => line !== '');
      const said = lines.slice(-SCREEN_LINES).join(' / ');
      if (said !== run.screen.waits) run.options.onScreen?.(lines.slice(-SCREEN_LINES));
      run.screen.waits = said;
      await waitAsTold(run, ms);
    },
  };
}

/** iPXE's names for what it knows. */
function settingsOf(run: ClientRun, ipxe: Configured): ReadonlyMap<string, string> {
  const { machine } = run;
  const architecture = ipxeArchitecture(machine.architecture);
  const buildarch = {
    x86: 'i386',
    x86_64: 'x86_64',
    arm32: 'arm32',
    arm64: 'arm64',
    riscv64: 'riscv64',
    loongarch64: 'loong64',
  };
  const nextServer = ipxe.boot?.bootServer ?? UNSPECIFIED;
  return new Map([
    ['mac', machine.mac],
    ['uuid', machine.uuid],
    ['serial', machine.serial ?? ''],
    ['asset', machine.asset ?? ''],
    ['manufacturer', machine.manufacturer ?? ''],
    ['product', machine.product ?? ''],
    ['platform', architecture.firmware === 'uefi' ? 'efi' : 'pcbios'],
    // An undionly.kpxe is a 32-bit program whatever the processor.
    ['buildarch', architecture.firmware === 'bios' ? 'i386' : buildarch[architecture.arch]],
    ['version', '1.21.1'],
    ['ip', formatIpv4(ipxe.lease.address)],
    ['next-server', formatIpv4(nextServer)],
    ['dhcp-server', formatIpv4(ipxe.lease.server)],
    ['filename', ipxe.boot?.bootFile ?? ''],
    ['hostname', ipxe.lease.hostname],
    ['ifname', 'net0'],
    ['chip', 'virtio-net'],
    ['bustype', 'PCI'],
    ['busid', '01:1a:f4:10:00'],
  ]);
}

/** One for each URL that the configuration has for it, as the roles that ship do before they start the kubelet. */
async function getCertificates(run: ClientRun, config: string, body: string): Promise<void> {
  const urls = new Set(config.match(/https?:\/\/[^\s'"]+\/boot\/[^\s'"/]+\/csr\?name=[\w-]+/g));
  for (const url of urls) {
    await runStep(run, 'certificate', `POST ${url}`, async () => {
      const text = await fetchText(run, url, CURL_AGENT, {
        method: 'POST',
        headers: { 'content-type': 'application/pkcs10' },
        body,
        redirect: 'error',
        needsLength: false,
        by: 'system',
      });
      if (!text.includes('-----BEGIN CERTIFICATE-----'))
        throw failStep(`${url} answered with no certificate`, 'see what answers there');
      return { value: undefined, answered: 'a certificate', bytes: text.length };
    });
  }
}

async function sendReport(run: ClientRun, cmdline: string): Promise<void> {
  const url = argumentOf(cmdline, 'tinderbox.report');
  if (url === undefined) return;
  await runStep(run, 'report', `POST ${url} stage=booted`, async () => {
    const text = await fetchText(run, url, OS_AGENT, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: 'stage=booted',
      redirect: 'error',
      needsLength: false,
      by: 'system',
    });
    return {
      value: undefined,
      answered: text.trim() === '' ? 'accepted' : text.trim().slice(0, 100),
      bytes: text.length,
    };
  });
}
