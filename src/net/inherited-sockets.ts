/** Descriptors that systemd handed over (sd_listen_fds(3)), by the name their unit gives them. */
export interface InheritedSockets {
  /** The next descriptor of that name; each is given out once. */
  readonly take: (name: string) => number | undefined;
  /** Those that nobody took, for a warning: a name in a unit file that is misspelt would otherwise pass unseen. */
  readonly remaining: () => readonly { readonly fd: number; readonly name: string }[];
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
): InheritedSockets {
  const count = Number(environment['LISTEN_FDS']);
  const meant = environment['LISTEN_PID'] === String(pid);
  const usable = meant && Number.isInteger(count) && count > 0 && count <= MOST_DESCRIPTORS;
  const names = environment['LISTEN_FDNAMES']?.split(':') ?? [];
  const left = Array.from({ length: usable ? count : 0 }, (_, index) => ({
    fd: FIRST_DESCRIPTOR + index,
    name: names[index] || 'unknown',
  }));
  return {
    take(name) {
      const index = left.findIndex((socket) => socket.name === name);
      return index < 0 ? undefined : left.splice(index, 1)[0]?.fd;
    },
    remaining: () => [...left],
  };
}
