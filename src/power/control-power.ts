import { TinderboxError } from '../errors.ts';
import type { Mac } from '../machine/mac.ts';
import { controlByIpmitool } from './ipmitool.ts';
import type { ControlPower, SendBroadcast } from './port.ts';
import { controlByRedfish } from './redfish.ts';
import { wakeOnLan } from './wake-on-lan.ts';

/** Controllers that are spoken to at one time: each may be a process, and waits for up to a minute. */
const MOST_AT_ONCE = 32;

/** One order a machine at a time: two that cross would leave it in a state that neither asked for. */
export function createPowerControl(send: SendBroadcast): ControlPower {
  const busy = new Set<Mac>();
  return async (order) => {
    const { mac, settings } = order;
    if (busy.has(mac) || busy.size >= MOST_AT_ONCE) {
      const what = busy.has(mac) ? `another power command of ${mac}` : `${busy.size} power commands`;
      throw new TinderboxError('busy', `${what} is under way`, { remedy: 'Try again when it is done.' });
    }
    busy.add(mac);
    try {
      switch (settings.kind) {
        case 'wake-on-lan':
          return await wakeOnLan(settings, order, send);
        case 'redfish':
          return await controlByRedfish(settings, order);
        case 'ipmitool':
          return await controlByIpmitool(settings, order);
        default:
          return settings satisfies never;
      }
    } finally {
      busy.delete(mac);
    }
  };
}
