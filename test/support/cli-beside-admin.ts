import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { AdminServerOptions } from '../../src/admin/port.ts';
import { runCli } from '../../src/cli/program.ts';
import { STATUS, startAdmin } from './start-admin.ts';

export const MACHINES = '# mine\ndefault: worker # racks\n';

/** Where the daemon says that its catalog is; absent: in the site's own profiles. */
export interface BesideOptions extends Partial<AdminServerOptions> {
  readonly catalogFile?: string;
}

/** A site with a role `worker`, the admin plane of a daemon over it, and commands that run beside that. */
export async function startBeside(t: Test, { catalogFile, ...overrides }: BesideOptions = {}) {
  let file = catalogFile ?? '';
  const admin = await startAdmin(t, {
    status: () => ({ ...STATUS, catalog: { generation: 1, file, problems: [] } }),
    ...overrides,
  });
  const machines = join(admin.dir, 'profiles/machines.yaml');
  if (catalogFile === undefined) file = machines;
  await mkdir(join(admin.dir, 'profiles/worker'), { recursive: true });
  const config = join(admin.dir, 'tinderbox.yaml');
  await writeFile(config, `network: { interface: lo }\nadmin: { socket: ${admin.socket} }\n`);
  await writeFile(machines, MACHINES);
  await writeFile(join(admin.dir, 'profiles/worker/role.yaml'), 'boot: { kernel: /assets/vmlinuz }\n');
  return {
    ...admin,
    machines: () => readFile(machines, 'utf8'),
    async run(...argv: readonly string[]) {
      let [stdout, stderr] = ['', ''];
      const code = await runCli([...argv, '--config', config], {
        out: (text) => void (stdout += text),
        err: (text) => void (stderr += text),
      });
      return { code, stdout, stderr };
    },
  };
}
