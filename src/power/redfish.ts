import { TinderboxError } from '../errors.ts';
import type { PowerAction, Redfish } from '../machine/power.ts';
import type { PowerOrder, PowerResult } from './port.ts';
import { printable } from './printable.ts';
import { openRedfishClient, type RedfishClient, type Resource } from './redfish-client.ts';

const SYSTEMS = '/redfish/v1/Systems';
const RESET = '#ComputerSystem.Reset';
/** A controller of a blade enclosure may have some dozens. */
const MOST_SYSTEMS = 64;

/** By Redfish (DMTF DSP0266, schema ComputerSystem). */
export async function controlByRedfish(
  settings: Redfish,
  { action, pxe }: PowerOrder,
  patience?: number,
): Promise<PowerResult> {
  await using client = await openRedfishClient(settings, patience);
  const path = await findSystem(client, settings);
  const { resource, etag } = await client.get(path);
  const state = stateOf(resource);
  const known = state === undefined ? {} : { state };
  if (action === 'status') return { ...known, did: `GET ${path}`, notes: [] };
  const reset = resetOf(resource, settings.url);
  const type = chooseReset(action, state, reset.allowed);
  if (type === undefined) {
    throw new TinderboxError('refused', `${settings.url} knows no way to do "${action}"`, {
      remedy: `It allows ${reset.allowed?.join(', ')}.`,
    });
  }
  const notes = pxe && action !== 'off' ? await bootFromNetwork(client, path, resource, etag) : [];
  await client.post(reset.target, { ResetType: type });
  return { ...known, did: `${RESET.slice(1)} ${type}`, notes };
}

/** The one that is named, or the only one. */
async function findSystem(client: RedfishClient, { url, system }: Redfish): Promise<string> {
  const { resource } = await client.get(SYSTEMS);
  const members = Array.isArray(resource['Members']) ? (resource['Members'] as readonly Resource[]) : [];
  const paths = members
    .slice(0, MOST_SYSTEMS)
    .flatMap((member) => (typeof member['@odata.id'] === 'string' ? [member['@odata.id']] : []));
  const ids = paths.map((path) => decodeURIComponent(path.replace(/\/$/, '').split('/').at(-1) ?? ''));
  const wanted = system === undefined ? 0 : ids.indexOf(system);
  const path = paths[wanted];
  if (path !== undefined && (system !== undefined || paths.length === 1)) return path;
  const listed = printable(ids.join(', '), 300);
  throw new TinderboxError(
    'not-found',
    system === undefined ? `${url} has ${paths.length} systems` : `${url} has no system ${system}`,
    {
      remedy:
        listed === '' ? 'See what it has at /redfish/v1/Systems.' : `Name one with \`system:\`: ${listed}`,
    },
  );
}

function stateOf(resource: Resource): 'on' | 'off' | undefined {
  switch (resource['PowerState']) {
    case 'On':
    case 'PoweringOff':
    case 'Paused':
      return 'on';
    case 'Off':
    case 'PoweringOn':
      return 'off';
    default:
      return undefined;
  }
}

function resetOf(resource: Resource, url: string) {
  const actions = resource['Actions'] as Resource | undefined;
  const reset = actions?.[RESET] as Resource | undefined;
  const target = reset?.['target'];
  const allowed = reset?.['ResetType@Redfish.AllowableValues'];
  if (typeof target !== 'string')
    throw new TinderboxError('refused', `${url} offers no ${RESET.slice(1)} for this system`);
  return {
    target,
    allowed: Array.isArray(allowed) ? allowed.filter((one) => typeof one === 'string') : undefined,
  };
}

/**
 * Forced ones first: these machines run from memory, and a system that hangs does not hear a polite request. Where a
 * controller does not say what it allows, the first is tried.
 */
export function chooseReset(
  action: Exclude<PowerAction, 'status'>,
  state: 'on' | 'off' | undefined,
  allowed: readonly string[] | undefined,
): string | undefined {
  const on = ['On', 'ForceOn'];
  const wanted = {
    on,
    off: ['ForceOff', 'GracefulShutdown'],
    // A restart of a machine that is off is an error for most, and leaves it off for some.
    cycle: state === 'off' ? on : ['ForceRestart', 'PowerCycle', 'GracefulRestart'],
  }[action];
  return wanted.find((type) => allowed === undefined || allowed.includes(type));
}

/** Once, for the next boot. A controller that cannot is no reason not to reset: the boot order may do. */
async function bootFromNetwork(
  client: RedfishClient,
  path: string,
  resource: Resource,
  etag: string | undefined,
): Promise<readonly string[]> {
  const boot = resource['Boot'] as Resource | undefined;
  const targets = boot?.['BootSourceOverrideTarget@Redfish.AllowableValues'];
  if (Array.isArray(targets) && !targets.includes('Pxe'))
    return ['its next boot could not be set to the network: the controller does not know Pxe'];
  try {
    await client.patch(
      path,
      { Boot: { BootSourceOverrideEnabled: 'Once', BootSourceOverrideTarget: 'Pxe' } },
      etag,
    );
    return [];
  } catch (thrown) {
    if (!(thrown instanceof TinderboxError) || thrown.code !== 'refused') throw thrown;
    return [`its next boot could not be set to the network: ${thrown.message}`];
  }
}
