import type { Logger } from './logger.ts';
import type { InterfaceChange } from './net/compare-interfaces.ts';

/** One line for what happened to an interface. That it came or went is told with the state it is in then. */
export function sayInterfaceChange(name: string, change: InterfaceChange, logger: Logger): void {
  const say = (text: string, details: object = {}) =>
    logger.info({ interface: name, ...details }, `${name} ${text}`);
  switch (change.kind) {
    case 'appeared':
    case 'vanished':
      return;
    case 'replaced':
      return say('was removed and made again: its sockets are opened anew');
    case 'addresses':
      return say(
        `has the address ${change.now.join(', ') || 'none'} (before: ${change.before.join(', ') || 'none'})`,
        {
          addresses: change.now,
        },
      );
    case 'mtu':
      return say(`has the MTU ${change.now} (before: ${change.before})`, { mtu: change.now });
    case 'up':
      return say('is up again');
    case 'down':
      return say('was taken down');
    case 'carrier':
      return say('has a carrier again');
    case 'no-carrier':
      return say('lost its carrier: a cable is out, or the switch is off');
  }
}
