import { LIMITED_BROADCAST, parseIpv4, UNSPECIFIED } from '../machine/ipv4.ts';
import { type DhcpLoop, type DhcpLoopOptions, runDhcpLoop } from './dhcp-loop.ts';

/**
 * Port 4011 on one interface. The reply goes from port 4011 to where the request came from: EDK2 asks from 4011 and
 * listens there, iPXE asks from 68 and accepts nothing that is not from 4011.
 */
export function startPxeServer(
  options: Omit<DhcpLoopOptions, 'plane' | 'port' | 'destination' | 'changeLease'>,
): DhcpLoop {
  return runDhcpLoop({
    ...options,
    plane: 'pxe',
    port: 4011,
    changeLease: () => undefined,
    // A client without an address asks by broadcast, from 0.0.0.0.
    destination(_request, _answered, source) {
      const address = parseIpv4(source.address) ?? UNSPECIFIED;
      return { address: address === UNSPECIFIED ? LIMITED_BROADCAST : address, port: source.port };
    },
  });
}
