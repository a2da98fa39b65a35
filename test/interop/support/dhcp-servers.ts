import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { NetworkNamespace } from '../../../src/lab/namespace.ts';

/** Kea's DHCP server on eth0 of a namespace; it gives one address, 10.77.0.60. Resolves when it answers. */
export async function startKea(namespace: NetworkNamespace, folder: string): Promise<void> {
  const file = join(folder, 'kea.json');
  const option = { name: 'routers', data: '10.77.0.254' };
  const subnet = {
    id: 1,
    subnet: '10.77.0.0/24',
    pools: [{ pool: '10.77.0.60 - 10.77.0.60' }],
    'option-data': [option],
  };
  const output = [{ output: 'stdout', flush: true }];
  const config = {
    'interfaces-config': { interfaces: ['eth0'] },
    'lease-database': { type: 'memfile', persist: false },
    'valid-lifetime': 600,
    subnet4: [subnet],
    loggers: [{ name: 'kea-dhcp4', output_options: output, severity: 'INFO' }],
  };
  await writeFile(file, JSON.stringify({ Dhcp4: config }));
  const folders = ['KEA_PIDFILE_DIR', 'KEA_LOCKFILE_DIR'].map((name) => `${name}=${folder}`);
  const server = namespace.spawn(['env', ...folders, 'kea-dhcp4', '-c', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await new Promise<void>((resolve, reject) => {
    let said = '';
    const hear = (chunk: Buffer): void => {
      said = (said + chunk.toString('utf8')).slice(-20_000);
      if (said.includes('DHCP4_STARTED')) resolve();
    };
    server.stdout?.on('data', hear);
    server.stderr?.on('data', hear);
    server.once('exit', () => reject(new Error(`Kea did not start: ${said}`)));
    server.once('error', reject);
  });
}
