/** A descriptor that systemd handed over (sd_listen_fds(3)), with the name that its unit gives it. */
export interface InheritedSocket {
  readonly fd: number;
  readonly name: string;
}

const FIRST_DESCRIPTOR = 3;
/** More than any unit has; a wild value must not make a loop. */
const MOST_DESCRIPTORS = 1024;

/**
 * Reads LISTEN_FDS, LISTEN_FDNAMES and LISTEN_PID. Empty unless LISTEN_PID is `pid`: the variables are inherited by
 * programs that they are not meant for. Sockets without a name are called `unknown`, as systemd does.
 */
export function inheritedSockets(
  environment: Readonly<Record<string, string | undefined>>,
  pid: number,
): readonly InheritedSocket[] {
  const count = Number(environment['LISTEN_FDS']);
  const meant = environment['LISTEN_PID'] === String(pid);
  const usable = meant && Number.isInteger(count) && count > 0 && count <= MOST_DESCRIPTORS;
  const names = environment['LISTEN_FDNAMES']?.split(':') ?? [];
  return Array.from({ length: usable ? count : 0 }, (_, index) => ({
    fd: FIRST_DESCRIPTOR + index,
    name: names[index] || 'unknown',
  }));
}
