import type { BootAnswer } from './build-dhcp-reply.ts';
import { chooseBootfile } from './choose-bootfile.ts';
import type { DhcpEnvironment, Trouble } from './dhcp-action.ts';
import type { NetworkClient } from './identify-client.ts';

/** The boot part of a reply; without `boot` the client gets none, for the reasons given; the last is the cause. */
export function offerBoot(
  client: NetworkClient,
  plane: BootAnswer['plane'],
  environment: DhcpEnvironment,
): { readonly boot?: BootAnswer; readonly trouble?: Trouble; readonly reasons: readonly string[] } {
  const { loaders, roleLoaders, isBootfilePresent, serverUrl, uefiProxy, syslog = false, loop } = environment;
  const chosen = chooseBootfile({ client, loaders, roleLoaders, isPresent: isBootfilePresent, serverUrl });
  if (chosen.kind === 'none') {
    const text = chosen.reasons.at(-1) ?? 'no loader';
    return { reasons: chosen.reasons, trouble: { counter: 'no-loader', text } };
  }
  if (client.kind === 'rom' && loop.looping) return { reasons: [...client.reasons, ...loop.reasons] };
  const reasons = [...chosen.reasons, ...loop.reasons];
  return { boot: { client, bootfile: chosen.value, plane, uefiProxy, ...(syslog && { syslog }) }, reasons };
}
