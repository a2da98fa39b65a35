import type { Socket } from 'node:net';
import { accountName } from './config/ask-getent.ts';
import { peerUserId } from './net/peer-user.ts';

/** Users whose names are remembered. */
const MOST_USERS = 1_000;

/**
 * The name of the user who connected to a unix socket. Asked once for each user: a name is a process of its own
 * (getent), and a user ID of a host hardly ever gets another one.
 */
export function rememberUsers(): (socket: Socket) => Promise<string | undefined> {
  const names = new Map<number, Promise<string>>();
  return async (socket) => {
    const uid = peerUserId(socket);
    if (uid === undefined) return undefined;
    const known = names.get(uid) ?? accountName('passwd', uid);
    if (names.size < MOST_USERS) names.set(uid, known);
    return known;
  };
}
