import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type NetworkNamespace, stopProcess } from '../../src/lab/namespace.ts';
import { untilServed } from './until-served.ts';

export interface KeaOptions {
  readonly subnet: string;
  readonly range: string;
  readonly interface: string;
  /** 0: as Debian's Kea is by default, one thread. */
  readonly threads: number;
  /** `raw` answers machines that have no address yet, `udp` relays; udp. */
  readonly sockets?: 'raw' | 'udp';
}

/**
 * Kea with its leases in memfile, persisted: each lease is a line appended to a file, flushed to the kernel and never
 * synced. It survives the end of the process, not of the power.
 */
export async function startKea(namespace: NetworkNamespace, options: KeaOptions): Promise<AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tinderbox-kea-'));
  const config = {
    Dhcp4: {
      'interfaces-config': { interfaces: [options.interface], 'dhcp-socket-type': options.sockets ?? 'udp' },
      'lease-database': {
        type: 'memfile',
        persist: true,
        name: path.join(folder, 'leases.csv'),
        'lfc-interval': 0,
      },
      'valid-lifetime': 3600,
      'multi-threading': {
        'enable-multi-threading': options.threads > 0,
        'thread-pool-size': options.threads,
        'packet-queue-size': 64,
      },
      subnet4: [{ id: 1, subnet: options.subnet, pools: [{ pool: options.range.replace('-', ' - ') }] }],
      loggers: [
        { name: 'kea-dhcp4', output_options: [{ output: path.join(folder, 'log') }], severity: 'ERROR' },
      ],
    },
  };
  const file = path.join(folder, 'kea.json');
  await writeFile(file, JSON.stringify(config));
  const environment = ['env', `KEA_PIDFILE_DIR=${folder}`, 'KEA_LOCKFILE_DIR=none'];
  const server = namespace.spawn([...environment, 'kea-dhcp4', '-c', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  await untilServed(namespace, server, 'kea-dhcp4');
  return {
    async [Symbol.asyncDispose]() {
      await stopProcess(server);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
