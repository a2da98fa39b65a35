import { toTinderboxError } from '../errors.ts';
import type { Ipv4 } from '../machine/ipv4.ts';
import type { DatagramSocket, OpenUdpSocket, UdpSocketOptions } from './port.ts';

/**
 * One interface's server port without SO_BINDTODEVICE. A socket on 0.0.0.0 hears broadcasts, of every interface; one
 * on the interface's own address hears unicasts and sends, since a broadcast leaves by the interface whose address
 * its socket is bound to (an unbound one takes the default route, or fails without one).
 */
export async function openWithoutDevice(
  openSocket: OpenUdpSocket,
  options: Omit<UdpSocketOptions, 'device' | 'shared' | 'address'> & { readonly address: Ipv4 },
): Promise<DatagramSocket> {
  const { address, ...everywhere } = options;
  const hearing = await openSocket({ ...everywhere, shared: true });
  try {
    const sending = await openSocket({ ...everywhere, address, shared: true });
    return {
      on(event: 'message' | 'error', listener: never) {
        hearing.on(event, listener);
        sending.on(event, listener);
      },
      off(event, listener) {
        hearing.off(event, listener);
        sending.off(event, listener);
      },
      send: (bytes, port, host, callback) => sending.send(bytes, port, host, callback),
      close: (callback) => hearing.close(() => sending.close(callback)),
    };
  } catch (error) {
    hearing.close();
    throw error;
  }
}

/**
 * `onDevice`, or, where no socket can be tied to a device on this host and there is only one interface to serve,
 * `without`: `say` tells what that means. With several interfaces a packet could be answered on the wrong one.
 */
export async function openOrDoWithout<Opened>(
  onDevice: () => Promise<Opened>,
  without: () => Promise<Opened>,
  { alone, say }: { readonly alone: boolean; readonly say: (reason: string) => void },
): Promise<Opened> {
  try {
    return await onDevice();
  } catch (thrown) {
    const error = toTinderboxError(thrown);
    if (error.code !== 'unavailable' || !alone) throw error;
    say(error.message);
    return without();
  }
}
