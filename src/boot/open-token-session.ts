import type { Mac } from '../machine/mac.ts';
import type { BootSession } from '../machine/session.ts';
import { type Assignment, assignedFields, endSession, type SessionAdvance } from './boot-session.ts';

/**
 * A session for the signing requests of a machine that boots from an image. It stands beside the machine's boot
 * session: whoever asks by DHCP or at `/ipxe` in the machine's name neither ends it nor learns its URL. Only a newer
 * token replaces `current`. Its requests carry it on as advanceSession says; none of them opens another.
 */
export function openTokenSession(
  current: BootSession | undefined,
  step: { readonly at: number; readonly signingUntil: number; readonly assigned?: Assignment },
  { mac, nextId }: { readonly mac: Mac; readonly nextId: number },
): SessionAdvance {
  const { at, signingUntil, assigned } = step;
  const session: BootSession = {
    id: nextId,
    mac,
    openedAt: at,
    updatedAt: at,
    // What the script would have told it is on its image.
    stage: 'script',
    stageTimes: { script: at },
    signingUntil,
    ...(assigned === undefined ? {} : assignedFields(assigned)),
  };
  const isReplaced = current !== undefined && current.end !== 'superseded';
  return {
    session,
    ...(isReplaced ? { ended: endSession(current, 'superseded', at) } : {}),
    opened: true,
    reasons: [
      'a signing token was made',
      ...(isReplaced ? [`the one before, of session ${current.id}, is void`] : []),
    ],
  };
}
