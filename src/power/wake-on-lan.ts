import { TinderboxError } from '../errors.ts';
import { LIMITED_BROADCAST } from '../machine/ipv4.ts';
import type { WakeOnLan } from '../machine/power.ts';
import { encodeMagicPacket, WAKE_ON_LAN_PORT } from '../protocol/wake-on-lan.ts';
import type { PowerOrder, PowerResult, SendBroadcast } from './port.ts';

/** A card acts on the first one; a switch that is only now learning may drop it. */
const TIMES = 3;

/** Sends magic packets; whether the machine heard them nobody is told. */
export async function wakeOnLan(
  settings: WakeOnLan,
  { mac, action }: PowerOrder,
  send: SendBroadcast,
): Promise<PowerResult> {
  if (action !== 'on') {
    throw new TinderboxError('refused', `wake-on-lan can only turn a machine on, not do "${action}"`, {
      remedy: 'Turn it off by hand, or give it power by redfish or ipmitool in machines.yaml.',
    });
  }
  const datagram = {
    packet: encodeMagicPacket(mac),
    port: WAKE_ON_LAN_PORT,
    address: settings.broadcast ?? LIMITED_BROADCAST,
    interfaceName: settings.interface,
  };
  for (let sent = 0; sent < TIMES; sent += 1) await send(datagram);
  return { did: `${TIMES} magic packets sent`, notes: ['nobody tells whether the machine heard them'] };
}
