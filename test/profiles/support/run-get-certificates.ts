import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { AUTHORITY_NAMES, type AuthorityName } from '../../../src/machine/identity.ts';
import type { Role } from '../../../src/machine/role.ts';
import { AUTHORITY_FILES } from '../../../src/pki/certificate-profiles.ts';
import type { IdentityContext } from '../../../src/render/context.ts';
import { renderTemplate } from '../../../src/render/template-engine.ts';
import { fileOf } from './cloud-config.ts';
import { parseConfig, roleContext, shippedRole } from './render-role.ts';
import { DASH, type Run, runScript, type Shell } from './run-script.ts';

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

const TEMPLATE = {
  file: 'test.hbs',
  text: '#cloud-config\nwrite_files:\n  {{> identity-script}}\n',
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
  // As every shipped role of the current layout says.
  const certificates = identity.certificates.map(({ name }) => name).filter((name) => name !== 'kube-proxy');
  const using: Role = { ...role, credentials: { ...role.credentials, certificates } };
  const context = { ...roleContext(using, { identity: moved }), reportUrl: `${url}/boot/abc/report` };
  const text = renderTemplate(TEMPLATE, context, role.partials);
  return fileOf(parseConfig(text), '/opt/tinderbox/get-certificates');
}

export function runGetCertificates(
  machine: Machine,
  url: string,
  identity: IdentityContext,
  shell: Shell = DASH,
): Promise<Run> {
  return runScript(scriptFor(machine, url, identity), { root: machine.root, shell });
}
