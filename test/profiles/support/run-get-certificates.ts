import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AUTHORITY_NAMES, type AuthorityName } from '../../../src/machine/identity.ts';
import { AUTHORITY_FILES } from '../../../src/pki/certificate-profiles.ts';
import type { IdentityContext } from '../../../src/render/context.ts';
import { renderTemplate } from '../../../src/render/template-engine.ts';
import { fileOf } from './cloud-config.ts';
import { parseConfig, roleContext, shippedRole } from './render-role.ts';

/** A machine's file system, as far as the script sees it. */
export interface Machine {
  readonly root: string;
  path(path: string): string;
  read(path: string): string;
}

/** With the authorities' certificates in place. */
export function makeMachine(folder: string, authorities: Readonly<Record<AuthorityName, string>>): Machine {
  const root = mkdtempSync(join(folder, 'machine-'));
  const path = (file: string) => join(root, file);
  for (const name of AUTHORITY_NAMES) {
    const file = path(AUTHORITY_FILES.current[name]);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, authorities[name]);
  }
  return { root, path, read: (file) => readFileSync(path(file), 'utf8') };
}

export interface Shell {
  readonly name: string;
  readonly argv: readonly string[];
  /** Where programs are looked for. */
  readonly path: string;
}

export const DASH: Shell = { name: 'dash', argv: ['dash'], path: '/usr/bin:/bin' };

/** Busybox alone, and what an image must bring besides: as in a machine that has no coreutils. */
export function makeBusybox(folder: string): Shell {
  const path = join(folder, 'busybox');
  mkdirSync(path);
  execFileSync('busybox', ['--install', '-s', path]);
  for (const program of ['openssl', 'curl']) {
    rmSync(join(path, program), { force: true });
    symlinkSync(execFileSync('which', [program], { encoding: 'utf8' }).trim(), join(path, program));
  }
  return { name: 'busybox', argv: ['busybox', 'sh'], path };
}

export interface Run {
  readonly status: number | null;
  readonly output: string;
  /** Seconds that it would have slept, in order. */
  readonly slept: readonly string[];
}

const TEMPLATE = {
  file: 'test.hbs',
  text: '#cloud-config\nwrite_files:\n  {{> identity-script without="kube-proxy"}}\n',
  line: 1,
};

/** The script as it would be on the machine, with its files under the machine's root. */
function scriptFor(machine: Machine, url: string, identity: IdentityContext): string {
  const role = shippedRole('worker');
  const move = (path: string) => machine.path(path);
  const moved: IdentityContext = {
    ...identity,
    authorities: identity.authorities.map((authority) => ({ ...authority, file: move(authority.file) })),
    certificates: identity.certificates.map((certificate) => ({
      ...certificate,
      certificateFile: move(certificate.certificateFile),
      keyFile: move(certificate.keyFile),
      url: `${url}/boot/abc/csr?name=${certificate.name}`,
    })),
  };
  const context = { ...roleContext(role, { identity: moved }), reportUrl: `${url}/boot/abc/report` };
  const text = renderTemplate(TEMPLATE, context, role.partials);
  return fileOf(parseConfig(text), '/opt/tinderbox/get-certificates');
}

/** Never sleeps; what would wait for ever ends, with status 9, at the sixth time. */
export async function runGetCertificates(
  machine: Machine,
  url: string,
  identity: IdentityContext,
  shell: Shell = DASH,
): Promise<Run> {
  const nights = machine.path('/slept');
  writeFileSync(nights, '');
  const sleep = `sleep() { echo "$1" >>'${nights}'; if [ "$(wc -l <'${nights}')" -ge 6 ]; then exit 9; fi; }\n`;
  const script = scriptFor(machine, url, identity).replace('set -u\n', `set -u\n${sleep}`);
  writeFileSync(machine.path('/get-certificates'), script);
  mkdirSync(machine.path('/tmp'), { recursive: true });
  const [program = '', ...args] = shell.argv;
  const child = spawn(program, [...args, machine.path('/get-certificates')], {
    env: { PATH: shell.path, TMPDIR: machine.path('/tmp') },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  const status = await new Promise<number | null>((resolve) => child.on('close', resolve));
  return { status, output, slept: readFileSync(nights, 'utf8').trim().split('\n').filter(Boolean) };
}
