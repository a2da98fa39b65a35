import { destinationOf } from '../boot/build-dhcp-reply.ts';
import { type DhcpLoop, type DhcpLoopOptions, runDhcpLoop } from './dhcp-loop.ts';

/** Port 67 on one interface, in proxy or server mode as `decide` has it. */
export function startDhcpServer(options: Omit<DhcpLoopOptions, 'plane' | 'port' | 'destination'>): DhcpLoop {
  return runDhcpLoop({
    ...options,
    plane: 'dhcp',
    port: 67,
    destination: destinationOf,
  });
}
