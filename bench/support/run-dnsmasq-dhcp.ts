import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type NetworkNamespace, stopProcess } from '../../src/lab/namespace.ts';
import { untilServed } from './until-served.ts';

export interface DnsmasqOptions {
  /** `10.77.4.0-10.77.255.250` */
  readonly range: string;
  readonly netmask: string;
  readonly interface: string;
}

/**
 * dnsmasq as a DHCP server alone, for clients behind the relay too. Its leases are a file that it writes anew after
 * changes, and never syncs. Without `dhcp-authoritative` and with its ping it would look at each address for seconds.
 */
export async function startDnsmasq(
  namespace: NetworkNamespace,
  options: DnsmasqOptions,
): Promise<AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), 'tinderbox-dnsmasq-'));
  const server = namespace.spawn(
    [
      'dnsmasq',
      '--keep-in-foreground',
      '--conf-file=/dev/null',
      '--port=0',
      '--user=root',
      '--pid-file=',
      `--interface=${options.interface}`,
      `--dhcp-leasefile=${path.join(folder, 'leases')}`,
      `--dhcp-range=${options.range.replace('-', ',')},${options.netmask},1h`,
      '--dhcp-lease-max=1000000',
      '--dhcp-authoritative',
      '--no-ping',
      '--quiet-dhcp',
      '--log-facility=/dev/null',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  await untilServed(namespace, server, 'dnsmasq');
  return {
    async [Symbol.asyncDispose]() {
      await stopProcess(server);
      await rm(folder, { recursive: true, force: true });
    },
  };
}
