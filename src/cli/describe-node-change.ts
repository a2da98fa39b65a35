import { nodeLeftBy } from '../boot/boot-session.ts';
import { whyNodeIsReplaced } from '../boot/node-registration.ts';
import { loadCatalog } from '../catalog/load-catalog.ts';
import type { Config } from '../config/port.ts';
import type { Mac } from '../machine/mac.ts';
import type { NodeRegistration } from '../machine/session.ts';
import { openOfflineClient } from '../offline-client.ts';
import { checkRoleTemplates } from '../render/check-templates.ts';
import { findDaemon } from './find-daemon.ts';

/** What a machine is to be from its next boot on. */
export interface NodeChange {
  readonly mac: Mac;
  readonly role: string;
  readonly hostname?: string | undefined;
  readonly address?: string | undefined;
}

/**
 * One line on what becomes of the Node that a machine has or had, empty where it stays. An edit that was written is not
 * spoilt by what is not known: then nothing is said.
 */
export async function describeNodeChange(config: Config, change: NodeChange): Promise<string> {
  if (config.cluster === undefined) return '';
  try {
    const former = await findFormer(config, change.mac);
    const now = await registrationAfter(config, change, former);
    if (former === undefined || now === undefined) return '';
    const why = whyNodeIsReplaced({ registration: now, formerRegistration: former });
    return why === undefined
      ? ''
      : `Its Node ${former.nodeName} is deleted at its next boot, since ${why}; if it cannot be, tinderbox machines ${change.mac} shows the command.\n`;
  } catch {
    return '';
  }
}

async function findFormer(config: Config, mac: Mac): Promise<NodeRegistration | undefined> {
  const daemon = await findDaemon(config);
  if (daemon !== undefined) return newest(await daemon.machine(mac));
  await using offline = await openOfflineClient(config);
  return newest(await offline.machine(mac));
}

function newest({ sessions }: { readonly sessions: readonly Parameters<typeof nodeLeftBy>[0][] }) {
  const [session] = sessions;
  return session === undefined ? undefined : nodeLeftBy(session);
}

/** As the boot before, but for what is changed: its labels and taints are merged from elsewhere, and only seen then. */
async function registrationAfter(
  config: Config,
  { role: name, hostname, address }: NodeChange,
  former: NodeRegistration | undefined,
): Promise<NodeRegistration | undefined> {
  const { catalog } = await loadCatalog(config.paths.profiles, {
    generation: 1,
    checkRole: checkRoleTemplates,
  });
  const role = catalog?.roles.get(name);
  if (role === undefined || former === undefined || role.identity === 'none') return undefined;
  if (role.identity === 'etcd') return { role: name, marks: '' };
  const nodeName = (role.credentials.nodeName === 'address' ? address : hostname) ?? former.nodeName;
  return { role: name, marks: former.marks, ...(nodeName === undefined ? {} : { nodeName }) };
}
