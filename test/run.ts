/**
 * `npm test`: installs what is missing, then types, lint, format, and every test against real programs and real
 * firmware. `npm test -- unit` (or lint, interop, e2e) runs a part; `--full` adds what is too slow for each change.
 */
import { spawn } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { toTinderboxError } from '../src/errors.ts';
import { ensureDebianPackages, LAB_PACKAGES } from '../src/lab/debian-packages.ts';
import { packagesOf } from '../src/lab/machine-kinds.ts';
import { BROWSER_PACKAGES } from './support/browser-packages.ts';
import { readTapLine, type TapCounts } from './support/read-tap-line.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const BIN = join(ROOT, 'node_modules/.bin');

/** The real programs that tests meet, besides the lab's own. */
const TEST_PACKAGES = [
  ...LAB_PACKAGES,
  ...BROWSER_PACKAGES,
  ...packagesOf('uefi-arm64'),
  ...packagesOf('uefi-x86'),
  'ansible-core',
  'atftp',
  'busybox-static',
  'cloud-init',
  'cpio',
  'curl',
  'dnsmasq-base',
  'ignition',
  'ipmitool',
  'openipmi',
  'dpkg-dev',
  'etcd-client',
  'etcd-server',
  'gpg',
  'gpg-agent',
  'gpgconf',
  'groff',
  'grub-common',
  'grub-emu',
  'iptables',
  'isc-dhcp-client',
  'isc-dhcp-server',
  'kea-admin',
  'kea-dhcp4-server',
  'lintian',
  'memtest86+',
  'mmdebstrap',
  'nftables',
  'nginx-light',
  'nmap',
  'openssl',
  'prometheus',
  'python3',
  'rsyslog',
  'shellcheck',
  'squashfs-tools',
  'strace',
  'systemd',
  'tcpdump',
  'tftp-hpa',
  'tshark',
  'xorriso',
];

interface Step {
  readonly name: string;
  readonly argv: readonly string[];
  /** Prints TAP, and needs root and the Debian packages unless it is bare; anything else counts as one test. */
  readonly tap?: true;
  readonly bare?: true;
}

const full = process.argv.includes('--full') || process.env['TINDERBOX_FULL'] === '1';
/** What `--full` searches, unless the environment says otherwise; seconds that a file of it may take. */
const FULL_ENVIRONMENT = {
  TINDERBOX_FULL: '1',
  TINDERBOX_FUZZ_RUNS: '1000000',
  TINDERBOX_FUZZ_PACKETS: '3000000',
};
const FULL_TIMEOUT = 7200;

const tapStep = (name: string, patterns: readonly string[], jobs: number, timeout: number): Step => {
  const files = globSync(patterns, { cwd: ROOT }).toSorted();
  const argv = [
    'tap',
    '--reporter=tap',
    `--jobs=${jobs}`,
    `--timeout=${full ? FULL_TIMEOUT : timeout}`,
    ...files,
  ];
  return { name, argv, tap: true };
};

const ALONE = ['daemon-flood', 'daemon-interfaces', 'dhcp-*', 'fault-*', 'soak', 'tftp'];

/** They end or stall machines at a moment, which must not come too late. */
const BOOTS_ALONE = ['diagnosis', 'fault-kill', 'local-disk', 'rehearse'];

/** Takes an hour. */
const BOOTS_IN_FULL = ['debian-install'];
const NOT_BESIDE = full ? BOOTS_ALONE : [...BOOTS_ALONE, ...BOOTS_IN_FULL];

const STEPS: readonly Step[] = [
  { name: 'types', argv: ['tsc'] },
  { name: 'lint', argv: ['oxlint', '--deny-warnings'] },
  { name: 'format', argv: ['biome', 'ci', '--error-on-warnings', '--colors=off', '--max-diagnostics=20'] },
  {
    name: 'fuzz',
    argv: ['node', 'test/fuzz/main.ts', '--tap', '--for', full ? '1h' : '2m'],
    tap: true,
    bare: true,
  },
  tapStep('unit', ['test/*.test.ts', 'test/!(e2e|interop)/**/*.test.ts'], 2, 180),
  // Most of their time they wait for timers of real programs.
  tapStep('interop', [`test/interop/!(${ALONE.join('|')}).test.ts`], 2, 600),
  // One at a time: they load the machine, and real programs have real timers.
  tapStep('interop-alone', [`test/interop/@(${ALONE.join('|')}).test.ts`], 1, 600),
  // An emulated machine keeps one processor busy, and waits as long as it takes.
  tapStep('e2e', [`test/e2e/!(${NOT_BESIDE.join('|')}).test.ts`], 2, 1800),
  tapStep('e2e-alone', [`test/e2e/@(${BOOTS_ALONE.join('|')}).test.ts`], 1, 1800),
];

const wanted = process.argv.slice(2).filter((argument) => argument !== '--full');
const unknown = wanted.filter((name) => !STEPS.some((step) => step.name === name));
if (unknown.length > 0) {
  console.error(`no such part: ${unknown.join(', ')}; parts: ${STEPS.map(({ name }) => name).join(', ')}`);
  process.exitCode = 2;
} else {
  process.exitCode = (await runAll()) ? 0 : 1;
}

async function runAll(): Promise<boolean> {
  const total = { passed: 0, failed: 0 };
  const steps = STEPS.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  const unfit = steps.some(needsMachine) ? await findWhatIsMissing() : undefined;
  if (unfit !== undefined) console.log(unfit);
  for (const step of steps) {
    if (needsMachine(step) && unfit !== undefined) {
      console.log(`--- ${step.name}: FAILED, as said above`);
      total.failed += 1;
      continue;
    }
    const started = performance.now();
    console.log(`--- ${step.name}`);
    const counts = await runStep(step);
    total.passed += counts.passed;
    total.failed += counts.failed;
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    console.log(`--- ${step.name}: ${counts.failed === 0 ? 'ok' : 'FAILED'} in ${seconds} s`);
  }
  console.log(`${total.passed} passed, ${total.failed} failed`);
  return total.failed === 0;
}

/** Real programs, and network namespaces. */
function needsMachine({ tap, bare }: Step): boolean {
  return tap === true && bare !== true;
}

/** A kubectl from elsewhere is as good, and Debian's package does not install beside one. */
function kubectlPackage(): readonly string[] {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.some((folder) => existsSync(join(folder, 'kubectl'))) ? [] : ['kubernetes-client'];
}

/** Why real programs and network namespaces are out of reach here; undefined if they are not. */
async function findWhatIsMissing(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) {
    const names = STEPS.filter(needsMachine).map(({ name }) => name);
    return `${names.join(', ')} need root, for network namespaces: sudo npm test`;
  }
  try {
    await ensureDebianPackages([...TEST_PACKAGES, ...kubectlPackage()], { log: (line) => console.log(line) });
    return undefined;
  } catch (thrown) {
    const { message, remedy } = toTinderboxError(thrown);
    return remedy === undefined ? message : `${message}\n    ${remedy}`;
  }
}

/** Counts tests; a skipped one is a failure, since everything that is skipped could have been installed. */
async function runStep({ argv, tap }: Step): Promise<TapCounts> {
  const [program, ...rest] = argv;
  const child = spawn(join(BIN, program as string), rest, {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...(full ? FULL_ENVIRONMENT : {}),
      ...process.env,
      PATH: `${BIN}${delimiter}${process.env['PATH'] ?? ''}`,
    },
  });
  const exited = new Promise<number | null>((resolve) => {
    child.on('exit', resolve);
    child.on('error', (error) => {
      console.log(`cannot run ${program}: ${error.message}`);
      resolve(null);
    });
  });
  const counts = { passed: 0, failed: 0 };
  for await (const line of createInterface({ input: child.stdout })) {
    if (tap !== true) {
      console.log(line);
      continue;
    }
    const read = readTapLine(line);
    if (read.print) console.log(line);
    counts.passed += read.passed;
    counts.failed += read.failed;
  }
  const code = await exited;
  if (tap !== true) return code === 0 ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
  // A runner that died, or ran nothing, has failed whatever it printed.
  const silentFailure = counts.failed === 0 && (code !== 0 || counts.passed === 0);
  return silentFailure ? { ...counts, failed: 1 } : counts;
}
