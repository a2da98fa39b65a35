import { createHash } from 'node:crypto';
import { limitLifetime, readClusterAuthorities, requireCluster } from './cluster-authorities.ts';
import type { Config } from './config/port.ts';
import { TinderboxError } from './errors.ts';
import type { MachineFacts } from './machine/facts.ts';
import type { Mac } from './machine/mac.ts';
import type { Catalog, Role } from './machine/role.ts';
import { issueIdentity } from './machine-identity.ts';
import type { Authorities } from './pki/port.ts';
import { type MachineMemory, prepareMachine, previewMachine } from './preview.ts';
import { bootIdFrom } from './render/boot-id.ts';
import { type IdentityContext, noIdentity, type TemplateContext } from './render/context.ts';
import { renderConfig, renderConfigFiles } from './render/render-config.ts';
import { CIDATA_USER_DATA, type IsoFiles, META_DATA, USER_DATA, writeIso } from './write-iso.ts';

/** Where a machine without a boot session sends its signing requests: `<url>/csr`. The URL is a secret. */
export interface SigningToken {
  readonly url: string;
  readonly expiresAt: number;
}

export interface IsoOptions {
  readonly facts: MachineFacts;
  readonly holders: ReadonlyMap<string, Mac>;
  /** Whom rules with `max` have admitted, and what was booted once. */
  readonly memory: MachineMemory;
  /** Absolute. Gets the hostname and gives the file. */
  readonly out: (hostname: string) => string;
  /** Days that embedded keys are valid for; absent: the machine makes its own, and asks with a token. */
  readonly keyDays?: number;
  readonly signingToken: (mac: Mac) => Promise<SigningToken>;
  readonly clock?: () => number;
}

export interface MadeIso {
  readonly file: string;
  readonly mac: Mac;
  readonly hostname: string;
  readonly role: string;
  /** Private keys are on it, and until when the first of their certificates is valid, if they have such. */
  readonly holdsKeys: boolean;
  readonly keysUntil?: number;
  /** A right to have the machine's own keys certified is on it, and until when; milliseconds since the epoch. */
  readonly holdsToken: boolean;
  readonly tokenUntil?: number;
  readonly notes: readonly string[];
}

/**
 * The configuration that the machine would be served, as an image for one that boots from a disk and not from the
 * network. Throws TinderboxError as previewMachine, Authorities.issue and writeIso do; `refused` if the role's keys
 * are issued and no number of days is given.
 */
export async function makeIso(config: Config, catalog: Catalog, options: IsoOptions): Promise<MadeIso> {
  const { facts, holders, memory, keyDays } = options;
  // A token is an open door: none is asked for before it is certain that the role renders.
  await previewMachine(config, catalog, facts, holders, memory);
  const prepared = await prepareMachine(config, catalog, facts, holders, memory);
  const { plan } = prepared;
  if (plan.role.config === undefined) {
    throw new TinderboxError('not-found', `role ${plan.role.name} has no configuration to put on an image`);
  }
  const { format } = plan.role.config;
  if (format !== 'cloud-config' && format !== 'nocloud') {
    throw new TinderboxError(
      'refused',
      `role ${plan.role.name} is ${format}, which no system looks for on an image`,
      {
        remedy: 'An image can be made of a role whose config is cloud-config or nocloud.',
      },
    );
  }
  const role = chooseDelivery(plan.role, keyDays);
  const secrets = await chooseSecrets(config, catalog, role, plan, options);
  const context = prepared.contextFor({ sessionUrl: secrets.sessionUrl, identity: secrets.identity, role });
  // Without a session a report has nowhere to go: curl reads this one, and sends nothing.
  const reportUrl = secrets.token === undefined ? NO_REPORT : context.reportUrl;
  const { body, files } = layOut(role, { ...context, reportUrl }, facts);
  const file = options.out(plan.hostname);
  await writeIso(file, files);
  const { token, notAfter, identity } = secrets;
  const holdsKeys = body.includes('PRIVATE KEY-----');
  const holdsToken = token !== undefined && body.includes(token.url);
  return {
    file,
    mac: facts.mac,
    hostname: plan.hostname,
    role: role.name,
    holdsKeys,
    ...(holdsKeys && notAfter !== undefined ? { keysUntil: notAfter } : {}),
    holdsToken,
    ...(holdsToken ? { tokenUntil: token.expiresAt } : {}),
    notes: notesOf(identity, role, { holdsKeys, holdsToken }),
  };
}

function layOut(
  role: Role,
  context: TemplateContext,
  facts: MachineFacts,
): { readonly body: string; readonly files: IsoFiles } {
  const { hostname } = context.machine;
  if (role.config?.format !== 'nocloud') {
    const { body } = renderConfig(role, context);
    const files = new Map([
      [USER_DATA, body],
      [META_DATA, metaData(facts, hostname, role.name)],
    ]);
    return { body, files };
  }
  // The image stays in its drive, and cloud-init configures an instance once: another content is another instance.
  const content = renderConfig(role, { ...context, bootId: bootIdFrom(facts.mac, 'image') }).body;
  const digest = createHash('sha256').update(content).digest('hex').slice(0, 12);
  const named = { ...context, bootId: bootIdFrom(facts.mac, digest) };
  const { body } = renderConfig(role, named);
  const beside = renderConfigFiles(role, named).map((each) => [each.file, each.body] as const);
  return { body, files: new Map([[CIDATA_USER_DATA, body], ...beside]) };
}

const NO_SESSION = 'http://no-session.invalid/boot/none';
const NO_REPORT = 'file:///dev/null';

function chooseDelivery(role: Role, keyDays: number | undefined): Role {
  if (role.identity === 'none') return role;
  if (keyDays !== undefined) return { ...role, credentials: { ...role.credentials, delivery: 'issued' } };
  if (role.credentials.delivery === 'csr') return role;
  throw new TinderboxError('refused', `machines of role ${role.name} make no keys of their own`, {
    remedy: 'Let keys be on the image, and say for how long they are valid: --key-days 30.',
  });
}

async function chooseSecrets(
  config: Config,
  catalog: Catalog,
  role: Role,
  plan: Awaited<ReturnType<typeof prepareMachine>>['plan'],
  { facts, keyDays, signingToken, clock = Date.now }: IsoOptions,
) {
  if (role.identity === 'none' || config.cluster === undefined) {
    return {
      sessionUrl: NO_SESSION,
      identity: noIdentity(plan.hostname),
      token: undefined,
      notAfter: undefined,
    };
  }
  const authorities: Authorities = limitLifetime(await readClusterAuthorities(config, clock), keyDays);
  const token = keyDays === undefined ? await signingToken(facts.mac) : undefined;
  const sessionUrl = token?.url ?? NO_SESSION;
  const address = plan.address ?? facts.address;
  let notAfter = Number.POSITIVE_INFINITY;
  const identity = await issueIdentity(
    {
      role,
      hostname: plan.hostname,
      addresses: address === undefined ? [] : [address],
      cluster: requireCluster(config),
      catalog,
      csrUrl: token === undefined ? undefined : `${sessionUrl}/csr`,
      authorities,
    },
    (certificate) => {
      notAfter = Math.min(notAfter, certificate.notAfter);
    },
  );
  return { sessionUrl, identity, token, notAfter: Number.isFinite(notAfter) ? notAfter : undefined };
}

function notesOf(
  { kind, delivery, serviceAccounts }: IdentityContext,
  role: Role,
  { holdsKeys, holdsToken }: Pick<MadeIso, 'holdsKeys' | 'holdsToken'>,
): readonly string[] {
  if (kind === 'none') return [];
  const unused =
    delivery === 'csr'
      ? !holdsToken && `role ${role.name} asks for no certificates: its template has no URL to ask at`
      : !holdsKeys && `role ${role.name} writes no keys: its template does not use the issued ones`;
  return [
    ...(unused === false ? [] : [unused]),
    ...(serviceAccounts.privateKey !== '' && holdsKeys
      ? [
          'among them is the key that signs the tokens of service accounts: controllers share it, and it does not expire',
        ]
      : []),
  ];
}

/** As OpenStack's config drives have it, where it is of use. */
function metaData({ mac, uuid }: MachineFacts, hostname: string, role: string): string {
  const digest = createHash('sha256').update(mac).digest('hex');
  const made = [8, 4, 4, 4, 12].map((length, at, all) => {
    const from = all.slice(0, at).reduce((sum, each) => sum + each, 0);
    return digest.slice(from, from + length);
  });
  const data = { uuid: uuid ?? made.join('-'), hostname, name: hostname, meta: { role, mac } };
  return `${JSON.stringify(data, null, 2)}\n`;
}
