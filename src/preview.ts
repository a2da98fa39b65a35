import { type AdmissionPlaces, NO_PLACES } from './boot/admit-machine.ts';
import { planBoot } from './boot/plan-boot.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import type { MachineFacts } from './machine/facts.ts';
import { type Ipv4, parseIpv4 } from './machine/ipv4.ts';
import type { Mac } from './machine/mac.ts';
import type { Catalog } from './machine/role.ts';
import { placeSubnets, presentInterfaces, serverAddressOf, serverUrlOf } from './preflight.ts';
import { buildContext } from './render/build-context.ts';
import { renderConfig } from './render/render-config.ts';
import { machineScript } from './render/render-script.ts';
import { clusterOf, knownNetworks } from './wire-http.ts';

export interface Preview {
  readonly role: string;
  readonly hostname: string;
  readonly reasons: readonly string[];
  readonly script: string;
  /** Undefined for a role without a configuration. */
  readonly config: string | undefined;
}

/**
 * What a machine would be served if it asked now. `holders` says who has which hostname, `places` whom rules have admitted. Session URLs say `preview`, since there is no session. Throws
 * `refused` with the reasons if it would not boot, `invalid-template` if its role does not render.
 */
export async function previewMachine(
  config: Config,
  catalog: Catalog,
  facts: MachineFacts,
  holders: ReadonlyMap<string, Mac> = new Map(),
  places: AdmissionPlaces = NO_PLACES,
): Promise<Preview> {
  const plan = planBoot({
    facts,
    catalog,
    admission: config.admission,
    places,
    holderOf: (hostname) => holders.get(hostname),
  });
  if (plan.kind !== 'boot') {
    throw new TinderboxError('refused', plan.message, { remedy: plan.reasons.join('; ') });
  }
  const interfaces = await presentInterfaces(config);
  const { subnets } = placeSubnets(config, interfaces, catalog);
  const [first] = interfaces;
  // Before the interface exists (on a laptop, in CI) a documentation address stands in.
  const address = first === undefined ? (parseIpv4('192.0.2.1') as Ipv4) : serverAddressOf(first);
  const url = first === undefined ? (config.http.url ?? 'http://192.0.2.1') : serverUrlOf(config, first);
  const context = buildContext({
    plan,
    facts,
    cluster: clusterOf(config, catalog),
    server: { address, url },
    subnets: knownNetworks({ subnets, interfaces }),
    sessionUrl: `${url}/boot/preview`,
  });
  return {
    role: plan.role.name,
    hostname: plan.hostname,
    reasons: plan.reasons,
    script: machineScript({ role: plan.role, context, hostname: plan.hostname }),
    config: plan.role.config === undefined ? undefined : renderConfig(plan.role, context).body,
  };
}
