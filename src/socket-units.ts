/** A file below the folder where the administrator's units are (/etc/systemd/system). */
export interface UnitFile {
  readonly path: string;
  readonly text: string;
}

export interface SocketUnits {
  /** To be enabled; each belongs to one interface and one port. */
  readonly instances: readonly string[];
  readonly files: readonly UnitFile[];
}

export interface SocketPorts {
  readonly http: number;
  readonly tftp: number;
  /** Whether ports 67 and 4011 are served at all (`dhcp.mode` is not `off`). */
  readonly dhcp: boolean;
  /** Absent: nothing is received. */
  readonly syslog?: number;
}

/** The names of the descriptors are these, a dash, and the interface. */
export type SocketKind = 'dhcp' | 'pxe' | 'tftp' | 'http' | 'syslog';

/** The service's own drop-in, which takes its capability away: shipped as data, to be copied to this path. */
export const SOCKETS_DROP_IN = 'tinderbox.service.d/sockets.conf';

const HEADER = '# Written by `tinderbox init --sockets`.\n';
/** Of the shipped drop-in of the service. */
const COPIED = '# Copied to /etc/systemd/system/tinderbox.service.d by `tinderbox init --sockets`';

/** Whether this is the text of a drop-in that `init --sockets` made, now or in an earlier version. */
export function isOwnDropIn(text: string): boolean {
  return text.startsWith(HEADER) || text.startsWith(COPIED);
}

/**
 * What makes systemd open the ports of these interfaces: the shipped templates hold everything but the port and the
 * device, since BindToDevice= expands no specifiers. After a change of `network.interface` or a port: again;
 * `removeOldSocketUnits` takes away those that are no longer listed.
 */
export function socketUnits(interfaces: readonly string[], ports: SocketPorts): SocketUnits {
  const kinds: readonly (readonly [SocketKind, string])[] = [
    ...(ports.dhcp
      ? ([
          ['dhcp', 'ListenDatagram=0.0.0.0:67'],
          ['pxe', 'ListenDatagram=0.0.0.0:4011'],
        ] as const)
      : []),
    ['tftp', `ListenDatagram=0.0.0.0:${ports.tftp}`],
    ['http', `ListenStream=0.0.0.0:${ports.http}`],
    ...(ports.syslog === undefined ? [] : ([['syslog', `ListenDatagram=0.0.0.0:${ports.syslog}`]] as const)),
  ];
  const units = interfaces.flatMap((device) =>
    kinds.map(([kind, listen]) => ({
      instance: `tinderbox-${kind}@${escapeInstance(device)}.socket`,
      text: `${HEADER}[Socket]\n${listen}\nBindToDevice=${device}\n`,
    })),
  );
  return {
    instances: units.map(({ instance }) => instance),
    files: units.map(({ instance, text }) => ({ path: `${instance}.d/device.conf`, text })),
  };
}

/** As systemd-escape(1) does: a dash would be read as a slash, and a dot may not come first. */
export function escapeInstance(name: string): string {
  const bytes = [...Buffer.from(name)];
  return bytes
    .map((byte, index) => {
      const character = String.fromCharCode(byte);
      if (character === '/') return '-';
      const isPlain = /[A-Za-z0-9:_]/.test(character) || (character === '.' && index > 0);
      return isPlain ? character : `\\x${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');
}
