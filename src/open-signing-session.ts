import type { SigningTokenRequest, SigningTokenView } from './admin/api.ts';
import { lastStageOf } from './boot/last-stage.ts';
import type { SessionTokens } from './boot/session-token.ts';
import type { CatalogHolder } from './catalog/catalog-holder.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import type { Authorities } from './pki/port.ts';
import { serverUrlOf } from './preflight.ts';
import type { ProvisioningNetworks } from './provisioning.ts';
import type { AdmissionBook, Journal, OnceBook, Store } from './store/port.ts';
import { planMachine } from './wire-http.ts';

export interface SigningWiring {
  readonly config: Config;
  readonly catalog: CatalogHolder;
  readonly networks: () => Pick<ProvisioningNetworks, 'interfaces'>;
  readonly store: Pick<Store, 'listSessions'>;
  readonly journal: Journal;
  readonly admissions: AdmissionBook;
  readonly once: OnceBook;
  readonly sessionTokens: SessionTokens;
  readonly authorities: Authorities | undefined;
  readonly now: () => number;
}

const DAY = 86_400_000;

/** Of the machine's newest sessions: while this one was written, the machine may have begun to boot. */
const NEWEST = 10;

/**
 * A session for a machine that boots from an image and asks for no script, so that its signing requests have a URL. It
 * stands beside the machine's boot session. The token is told to the caller only. Throws as
 * AdminServerOptions.makeSigningToken says.
 */
export async function openSigningSession(
  wiring: SigningWiring,
  { mac, days }: SigningTokenRequest,
): Promise<SigningTokenView> {
  const { config, networks, store, journal, sessionTokens, authorities, now } = wiring;
  if (authorities === undefined) {
    throw new TinderboxError('refused', 'no certificates are signed here: tinderbox.yaml has no cluster', {
      remedy: 'Add `cluster:` and restart the daemon.',
    });
  }
  // Not the next best one's address: what is made with this URL goes to the first network, for days.
  const first = networks().interfaces.find(({ name }) => name === config.network.interfaces[0]);
  if (first === undefined) {
    throw new TinderboxError(
      'unavailable',
      `${config.network.interfaces[0]} is not there, or has no address`,
      {
        remedy: 'Try again when it is; `tinderbox check` says what is missing.',
      },
    );
  }
  const plan = await planMachine(wiring, journal.machine(mac) ?? { mac });
  // From here to the record nothing waits, so that no two machines get the same made-up name.
  if (plan.kind !== 'boot') {
    throw new TinderboxError('refused', plan.message, { remedy: plan.reasons.join('; ') });
  }
  if (plan.role.identity === 'none') {
    throw new TinderboxError('refused', `machines of role ${plan.role.name} get no certificates`, {
      remedy: `Give it another role, or ${plan.role.file} an \`identity:\`.`,
    });
  }
  if (plan.role.credentials.delivery === 'issued') {
    throw new TinderboxError('refused', `machines of role ${plan.role.name} make no keys of their own`, {
      remedy:
        'Their keys are issued with their configuration: let them be on the image (tinderbox iso MAC --key-days 30).',
    });
  }
  const at = now();
  const expiresAt = at + days * DAY;
  const session = journal.record({
    at,
    kind: 'http.csr',
    mac,
    facts: { mac },
    outcome: 'noted',
    asked: `a signing token for ${days} day(s), by the operator`,
    answered: `it is valid until ${new Date(expiresAt).toISOString()}`,
    reasons: plan.reasons,
    assigned: {
      role: plan.role.name,
      hostname: plan.hostname,
      lastStage: lastStageOf(plan.role, config.cluster !== undefined),
    },
    signingUntil: expiresAt,
  });
  // A token of days must not be lost with the next restart.
  await journal.flush();
  const stored = await store.listSessions(mac, { limit: NEWEST, offset: 0 });
  if (session === undefined || !stored.some(({ id }) => id === session.id)) {
    throw new TinderboxError('busy', 'there is no room for another signing token at the moment', {
      remedy: 'Wait until others have expired, or let keys be on the image: --key-days 30.',
    });
  }
  return { url: `${serverUrlOf(config, first)}/boot/${sessionTokens.tokenFor(session)}`, expiresAt };
}
