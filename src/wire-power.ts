import type { AdminServerOptions } from './admin/port.ts';
import type { CatalogHolder } from './catalog/catalog-holder.ts';
import { TinderboxError, toTinderboxError } from './errors.ts';
import { formatIpv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import { openUdpSocket } from './net/open-udp-socket.ts';
import { createPowerControl } from './power/control-power.ts';
import type { ControlPower, SendBroadcast } from './power/port.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import type { Journal } from './store/port.ts';

export interface PowerWiring {
  readonly catalog: Pick<CatalogHolder, 'current'>;
  readonly networks: () => ProvisioningNetworks;
  readonly journal: Pick<Journal, 'machine' | 'record'>;
  readonly now: () => number;
}

/** Power commands by machines.yaml, as events of their machines. */
export function createPowerCommands(
  wiring: PowerWiring,
  control: ControlPower = createPowerControl(broadcastOn(wiring.networks)),
): AdminServerOptions['power'] {
  const { catalog, journal, now } = wiring;
  return async (mac, action, options = {}) => {
    const settings = settingsOf(catalog, mac);
    const facts = journal.machine(mac);
    const pxe = options.pxe ?? action === 'cycle';
    const record = (
      outcome: 'answered' | 'failed' | 'refused',
      answered: string,
      reasons: readonly string[],
    ) =>
      journal.record({
        at: now(),
        mac,
        kind: 'power.command',
        outcome,
        asked: `power ${action}, by ${settings.kind}`,
        answered,
        reasons,
      });
    try {
      const result = await control({
        mac,
        settings: settings.kind === 'wake-on-lan' ? { ...whereHeard(wiring, mac), ...settings } : settings,
        action,
        pxe,
        efi: facts?.platform === 'efi',
      });
      // Who only asks changes nothing, and may ask every minute.
      if (action !== 'status')
        record('answered', result.did, [
          ...(result.state === undefined ? [] : [`it was ${result.state}`]),
          ...(pxe && settings.kind !== 'wake-on-lan' && result.notes.length === 0
            ? ['its next boot is to be from the network']
            : []),
          ...result.notes,
        ]);
      return { mac, kind: settings.kind, action, ...result };
    } catch (thrown) {
      const error = toTinderboxError(thrown);
      if (action !== 'status')
        record(error.code === 'refused' ? 'refused' : 'failed', '', [
          error.message,
          ...(error.remedy === undefined ? [] : [error.remedy]),
        ]);
      throw error;
    }
  };
}

function settingsOf(catalog: PowerWiring['catalog'], mac: Mac) {
  const { machines, file } = catalog.current();
  const entry = machines.get(mac);
  if (entry?.power !== undefined) return entry.power;
  const where = entry === undefined ? file : `${file}:${entry.line}`;
  throw new TinderboxError(
    'refused',
    `${mac} has no \`power:\` in machines.yaml: it is turned on and off by hand`,
    {
      remedy: `Say how, at ${where}: power: { kind: wake-on-lan }, or redfish, or ipmitool.`,
    },
  );
}

/** Absent where it was not heard on one of ours: then it may be on any. */
function whereHeard({ networks, journal }: PowerWiring, mac: Mac): { readonly interface?: string } {
  const via = journal.machine(mac)?.via;
  const found = networks().interfaces.find(({ name }) => name === via);
  return found === undefined ? {} : { interface: found.name };
}

/** From each address of the interface: a socket on 0.0.0.0 sends where the default route leads. */
function broadcastOn(networks: () => ProvisioningNetworks): SendBroadcast {
  return async ({ packet, port, address, interfaceName }) => {
    const all = networks().interfaces;
    const from = interfaceName === undefined ? all : all.filter(({ name }) => name === interfaceName);
    const own = from.flatMap(({ addresses }) => addresses.slice(0, 1));
    if (own.length === 0) {
      throw new TinderboxError(
        'unavailable',
        `there is no provisioning interface ${interfaceName ?? ''} that has an address`.replace('  ', ' '),
        {
          remedy: `Provisioning interfaces that are up: ${all.map(({ name }) => name).join(', ') || 'none'}.`,
        },
      );
    }
    for (const { address: source } of own) {
      const socket = await openUdpSocket({ port: 0, address: source, broadcast: true });
      try {
        await new Promise<void>((resolve, reject) =>
          socket.send(packet, port, formatIpv4(address), (error) =>
            error === null ? resolve() : reject(error),
          ),
        );
      } finally {
        socket.close();
      }
    }
  };
}
