import {
  decodeIpxeErrno,
  IPXE_FILE,
  type IpxeErrno,
  PLATFORM_ERROR,
  type PosixName,
  posixNameOf,
  wordsOfFile,
} from './ipxe-errno.ts';

/** An error number of iPXE in words. */
export interface IpxeExplanation {
  /** Eight hexadecimal digits, as in `https://ipxe.org/3e11628e`. */
  readonly code: string;
  /** What is wrong, as iPXE means it. */
  readonly meaning: string;
  /** What is likely behind it, and what to do; absent: it is not in the table. */
  readonly advice?: string;
}

/** In one line there is one number, sometimes two. */
const MOST_CODES = 3;

/**
 * Explains each of iPXE's error numbers in a line: `(https://ipxe.org/3e11628e)`, `error 0x3e11628e`. Pages have six
 * digits, `https://ipxe.org/err/3e1162`: without the platform's byte.
 */
export function explainIpxeErrors(line: string): readonly IpxeExplanation[] {
  const found = line.matchAll(
    /\b(?:ipxe\.org\/(?:([0-9a-f]{8})|err\/([0-9a-f]{6}))|error 0x([0-9a-f]{7,8}))\b/gi,
  );
  const codes = new Set(
    [...found].map(([, code, page, error]) => (code ?? error ?? `${page}00`).toLowerCase()),
  );
  return [...codes].slice(0, MOST_CODES).map(explainIpxeError);
}

/** `explainIpxeErrors` as sentences, for a timeline. */
export function ipxeErrorReasons(line: string): readonly string[] {
  return explainIpxeErrors(line).map(
    ({ code, meaning, advice = 'it is not in the table of common errors; see https://ipxe.org/err/' }) =>
      `iPXE's error ${code}: ${meaning}; ${advice.endsWith('/err/') ? `${advice}${code.slice(0, 6)}` : advice}`,
  );
}

/** Pure and total. `code`: up to eight hexadecimal digits. */
export function explainIpxeError(code: string): IpxeExplanation {
  const errno = decodeIpxeErrno(code);
  const known = exactly(errno);
  const name = posixNameOf(errno.posix);
  const general = name === undefined ? undefined : GENERAL[name];
  const [meaning, advice] = known ?? general ?? [undefined, undefined];
  return {
    code: errno.code,
    meaning: `${meaning ?? describeNumber(errno, name)} (${wordsOfFile(errno.file)})`,
    ...(advice === undefined ? {} : { advice }),
  };
}

function describeNumber({ posix, platform }: IpxeErrno, name: PosixName | undefined): string {
  if (posix === PLATFORM_ERROR) return `the firmware refused with its error 0x${platform.toString(16)}`;
  return name ?? `its number 0x${posix.toString(16)}`;
}

type Words = readonly [meaning: string, advice: string];

const HTTP_STATUS = 'the timeline shows the request and the reason of its refusal';
const TRUST =
  'iPXE trusts its own authorities only: use http for what machines boot, or a build with TRUST= your authority';
const CLOCK = "compare the machine's clock in its firmware setup with the certificate's dates";
const SECURE_BOOT =
  'Secure Boot is on and this program is not signed for it: turn Secure Boot off in the firmware setup, or boot a signed chain';
const NO_DHCP =
  'no DHCP server answered on this network card: look at its cable, its VLAN and spanning tree (portfast), and whether this server saw its DISCOVER';

const TFTP_FILE: Words = [
  'the TFTP server does not have the file',
  'the timeline shows which name was asked; iPXE 2.0 looks for autoexec.ipxe first, which need not be there',
];

/** By file, POSIX error and which of them: `__einfo_uniqify` in iPXE's source. */
const EXACT = new Map<string, Words>([
  [keyOf(IPXE_FILE.ifmgmt, 'EADDRNOTAVAIL', 1), ['no way to configure the network card succeeded', NO_DHCP]],
  [
    keyOf(IPXE_FILE.dns, 'ENXIO', 1),
    ['a DNS name does not exist', 'mend the name in the URL, or give an address instead'],
  ],
  [
    keyOf(IPXE_FILE.dns, 'ENXIO', 2),
    [
      'a URL has a name and no DNS server is known',
      'give dhcp.dns in tinderbox.yaml (server mode), or URLs with addresses',
    ],
  ],
  [
    keyOf(IPXE_FILE.http, 'EACCES', 1),
    ['the web server wants a login (401)', 'URLs of a role need their name and password'],
  ],
  [
    keyOf(IPXE_FILE.http, 'ENOENT', 1),
    [
      'the web server does not have the file (404)',
      'look at the path in role.yaml and at paths.assets; tinderbox check names what is missing',
    ],
  ],
  [keyOf(IPXE_FILE.http, 'EIO', 1), ['the web server answered with an unknown status', HTTP_STATUS]],
  [
    keyOf(IPXE_FILE.http, 'EIO', 2),
    [
      'a download has another length than was announced',
      'a proxy between may have changed it, or the file was replaced: try again',
    ],
  ],
  [keyOf(IPXE_FILE.http, 'EIO', 4), ['the web server refused the request (4xx)', HTTP_STATUS]],
  [keyOf(IPXE_FILE.http, 'EIO', 5), ['the web server failed (5xx)', `${HTTP_STATUS}; 503 means: later`]],
  [
    keyOf(IPXE_FILE.netdevice, 'EINPROGRESS', 1),
    ['the state of the link is not known yet', 'wait; if it stays so: cable, switch port, driver'],
  ],
  [
    keyOf(IPXE_FILE.netdevice, 'EINPROGRESS', 2),
    ['this network card was not configured yet', 'this is no error by itself'],
  ],
  [
    keyOf(IPXE_FILE.netdevice, 'EINPROGRESS', 3),
    ['the configuration of the network card is not complete', NO_DHCP],
  ],
  [
    keyOf(IPXE_FILE.netdevice, 'ENOTCONN', 1),
    [
      'the network card has no link',
      'look at the cable, the switch port and its speed; some switches take half a minute (spanning tree)',
    ],
  ],
  [keyOf(IPXE_FILE.dhcp, 'ETIMEDOUT', 0), ['DHCP timed out', NO_DHCP]],
  // iPXE's own counts of what it could not send, printed once the card is open (seen).
  [
    keyOf(IPXE_FILE.netdevice, 'ENETUNREACH', 0),
    ['a packet was not sent, since the card was not ready', 'a few while it starts are normal'],
  ],
  [
    keyOf(IPXE_FILE.netdevice, 'ENOBUFS', 0),
    ['a packet was not sent, since the card was busy', 'a few while it starts are normal'],
  ],
  [keyOf(IPXE_FILE.tftp, 'ENOENT', 1), TFTP_FILE],
  [keyOf(IPXE_FILE.tftp, 'ENOENT', 0), TFTP_FILE],
  [
    keyOf(IPXE_FILE.tftp, 'ETIMEDOUT', 0),
    ['TFTP timed out', 'look at firewalls between (UDP 69 and high ports) and at the MTU'],
  ],
  [
    keyOf(IPXE_FILE.neighbour, 'ETIMEDOUT', 0),
    [
      'nobody answered to ARP',
      'the server or the router is not on this network: look at VLAN, netmask and dhcp.router',
    ],
  ],
  [
    keyOf(IPXE_FILE.tcp, 'ETIMEDOUT', 0),
    ['the TCP connection timed out', 'look at firewalls between, at the route, and at the port in the URL'],
  ],
  [
    keyOf(IPXE_FILE.exec, 'ENOEXEC', 0),
    [
      'the script has a command that this iPXE does not know',
      'its build lacks the command, or what was fetched is no script',
    ],
  ],
  [
    keyOf(IPXE_FILE.image, 'EACCES', 1),
    [
      'the file is not trusted',
      'this iPXE demands signatures (imgtrust): sign the file, or take imgtrust out of the script',
    ],
  ],
  [
    keyOf(IPXE_FILE.image, 'EACCES', 2),
    [
      'the demand for signatures cannot be taken back',
      'the script that ran before said imgtrust --permanent',
    ],
  ],
  [
    keyOf(IPXE_FILE.image, 'ENOEXEC', 0),
    [
      'this iPXE cannot start what was downloaded',
      'a kernel for another architecture, or one without an EFI stub, or an error page instead of a kernel: look at its size in the timeline',
    ],
  ],
  [
    keyOf(IPXE_FILE.tls, 'EPERM', 1),
    [
      'the server ended the TLS handshake',
      'its log says why; old builds of iPXE know no TLS 1.3 and few ciphers',
    ],
  ],
  [
    keyOf(IPXE_FILE.tls, 'EPERM', 2),
    ['the TLS handshake could not be verified', 'something between changes what is sent'],
  ],
  [
    keyOf(IPXE_FILE.tls, 'EPERM', 3),
    ['the server wants a certificate and this iPXE has none', 'use http for what machines boot'],
  ],
  [
    keyOf(IPXE_FILE.tls, 'ENOTSUP', 4),
    ['iPXE and the server know no TLS version in common', 'allow TLS 1.2 on the server, or use http'],
  ],
  [
    keyOf(IPXE_FILE.tls, 'ENOTSUP', 5),
    ['iPXE and the server know no key exchange in common', 'allow more groups on the server, or use http'],
  ],
  [
    keyOf(IPXE_FILE.tls, 'EPROTO', 1),
    ['the server speaks another TLS version than it said', 'allow TLS 1.2 on the server, or use http'],
  ],
  [
    keyOf(IPXE_FILE.x509, 'EACCES', 1),
    ['a certificate is of another issuer than its chain says', "mend the server's chain"],
  ],
  [
    keyOf(IPXE_FILE.x509, 'EACCES', 2),
    ['a certificate that signed another one is no authority', "mend the server's chain"],
  ],
  [keyOf(IPXE_FILE.x509, 'EACCES', 3), ['a certificate may not be used for this', 'mend its key usage']],
  [keyOf(IPXE_FILE.x509, 'EACCES', 4), ['a certificate is expired, or not valid yet', CLOCK]],
  [keyOf(IPXE_FILE.x509, 'EACCES', 6), ["the certificate's authority is not trusted", TRUST]],
  [keyOf(IPXE_FILE.x509, 'EACCES', 8), ['the server sent no certificate', "mend the server's chain"]],
  [
    keyOf(IPXE_FILE.x509, 'EACCES', 10),
    ['the certificate is of another name than the URL has', 'use the name that the certificate has'],
  ],
  [
    keyOf(IPXE_FILE.x509, 'EACCES', 11),
    ['no certificate of the server leads to an authority that is trusted', TRUST],
  ],
]);

/** EFI_SECURITY_VIOLATION and EFI_ACCESS_DENIED, with the bit of an error at its top. */
const SECURITY_VIOLATION = 0x9a;
const ACCESS_DENIED = 0x8f;
const NOT_SUPPORTED = 0x83;
const LOAD_ERROR = 0x81;
const OUT_OF_RESOURCES = 0x89;

function exactly(errno: IpxeErrno): Words | undefined {
  if (errno.file === IPXE_FILE.efiImage && errno.posix === PLATFORM_ERROR) return efiWords(errno);
  const name = posixNameOf(errno.posix);
  if (name === undefined) return undefined;
  return EXACT.get(keyOf(errno.file, name, errno.which));
}

/** LoadImage() is the first of that file's errors, StartImage() the second; older builds do not tell them apart. */
function efiWords({ which, platform }: IpxeErrno): Words | undefined {
  const what = which === 2 ? 'start' : 'load';
  switch (platform) {
    case SECURITY_VIOLATION:
    case ACCESS_DENIED:
      return [`the firmware may not ${what} an EFI program`, SECURE_BOOT];
    case NOT_SUPPORTED:
    case LOAD_ERROR:
      return [
        `the firmware cannot ${what} an EFI program`,
        'a kernel for another architecture, or one without an EFI stub: look which file the role boots on which arch',
      ];
    case OUT_OF_RESOURCES:
      return [`the firmware has too little memory to ${what} an EFI program`, MEMORY];
    default:
      return undefined;
  }
}

const MEMORY = 'give the machine more memory, or a smaller initrd: kernel and initrd must fit twice';

/** By POSIX error alone: what it means wherever it comes from. */
const GENERAL: { readonly [Name in PosixName]?: Words } = {
  EACCES: [
    'permission denied',
    'a server or the firmware refuses: with https look at certificates, with UEFI at Secure Boot',
  ],
  EPERM: [
    'not permitted',
    'a server or the firmware refuses: with https look at certificates, with UEFI at Secure Boot',
  ],
  EADDRINUSE: ['an address is in use', 'power the machine off and on'],
  ECANCELED: ['somebody pressed a key', 'Ctrl-C or Ctrl-B on its console ends what iPXE does'],
  ECONNABORTED: ['the connection was aborted', 'look at the log of the server'],
  ECONNREFUSED: [
    'the connection was refused',
    'nothing listens at this port: look at the URL, and whether the server runs',
  ],
  ECONNRESET: ['the connection was reset', 'the server ended it: its log says why'],
  EHOSTUNREACH: ['a host cannot be reached', 'look at VLAN, netmask and router'],
  EIO: ['input or output failed', 'look at the log of the server; try again'],
  EINVAL: ['a value is not valid', 'a command of the script has an argument that this build does not take'],
  ENETUNREACH: [
    'there is no route to that network',
    'the card has no address, or no router for another network: look at dhcp.router, and whether DHCP succeeded',
  ],
  ENETDOWN: ['the network is down', 'look at the cable and the switch port'],
  ENOBUFS: ['there is no buffer left', MEMORY],
  ENODEV: [
    'there is no such device',
    "this build has no driver for the network card: try snponly.efi or undionly.kpxe, which use the firmware's",
  ],
  ENOENT: ['there is no such file', 'look at the path in role.yaml and at what the server has'],
  ENOEXEC: [
    'it cannot be executed',
    'wrong architecture or format: look at which file the role boots on which arch',
  ],
  ENOMEM: ['there is not enough memory', MEMORY],
  ENOSPC: ['there is not enough space', MEMORY],
  ENOTCONN: ['it is not connected', 'look at the cable, the switch port and its speed'],
  ENOTSUP: [
    'this build does not support it',
    'another build of iPXE may: assets/ipxe takes the place of the packaged ones',
  ],
  EOPNOTSUPP: [
    'this build does not support it',
    'another build of iPXE may: assets/ipxe takes the place of the packaged ones',
  ],
  EPROTONOSUPPORT: [
    'this build does not know the protocol of a URL',
    'use http, or a build with https, nfs, …',
  ],
  ETIMEDOUT: [
    'it timed out',
    'nobody answered: look at firewalls, the route and the MTU, and whether the server runs',
  ],
};

function keyOf(file: number, name: PosixName, which: number): string {
  return `${file} ${name} ${which}`;
}
