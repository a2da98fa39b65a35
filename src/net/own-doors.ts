import { openUdpSocket } from './open-udp-socket.ts';
import type { Doors } from './port.ts';

/** Without systemd's sockets: everything is opened here. */
export const OWN_DOORS: Doors = { openUdp: openUdpSocket, httpDescriptor: () => undefined };
