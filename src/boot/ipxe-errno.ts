/*
 * How iPXE builds an error number (include/errno.h):
 *
 *     bit  31     30…24           23…13              12…8                      7…0
 *          0      POSIX error     file of its source  which of the file's       the platform's own error
 *                                                     errors of that number     (PXE 2.1, or an EFI_STATUS)
 *
 * What it shows as `https://ipxe.org/3e11628e` is that number. The file of its source is known by an identifier
 * (include/ipxe/errfile.h), which stays the same from version to version.
 */

export interface IpxeErrno {
  /** Eight hexadecimal digits. */
  readonly code: string;
  readonly posix: number;
  /** As in errfile.h, the low 13 bits zero. */
  readonly file: number;
  /** 0: the file has but one of that number. */
  readonly which: number;
  readonly platform: number;
}

/** Up to eight hexadecimal digits. iPXE's `${errno}` may be shown as the negative number that its functions return. */
export function decodeIpxeErrno(text: string): IpxeErrno {
  const raw = Number.parseInt(text, 16) >>> 0;
  const value = raw > 0x7fff_ffff ? -raw >>> 0 : raw;
  return {
    code: value.toString(16).padStart(8, '0'),
    posix: value >>> 24,
    file: value & 0x00ff_e000,
    which: (value >>> 8) & 0x1f,
    platform: value & 0xff,
  };
}

const CORE = 0x2000;
const NET = 0x6000;
const IMAGE = 0x8000;
const OTHER = 0xe000;
/** Of one processor architecture: each has its own numbers. */
const ARCH = 0x80_0000;

/** Files of iPXE's source whose errors people meet. */
export const IPXE_FILE = {
  exec: CORE | 0x2_0000,
  open: CORE | 0x9_0000,
  settings: CORE | 0xc_0000,
  parseopt: CORE | 0x16_0000,
  ipv4: NET | 0x5_0000,
  ipv6: NET | 0x6_0000,
  netdevice: NET | 0x8_0000,
  tcp: NET | 0xa_0000,
  http: NET | 0xc_0000,
  iscsi: NET | 0xd_0000,
  udp: NET | 0xf_0000,
  dhcp: NET | 0x10_0000,
  dns: NET | 0x11_0000,
  tftp: NET | 0x12_0000,
  neighbour: NET | 0x37_0000,
  image: IMAGE,
  script: IMAGE | 0x2_0000,
  segment: IMAGE | 0x3_0000,
  efiImage: IMAGE | 0x4_0000,
  autoboot: OTHER | 0x3_0000,
  imgmgmt: OTHER | 0x5_0000,
  tls: OTHER | 0xd_0000,
  ifmgmt: OTHER | 0xe_0000,
  x509: OTHER | 0x16_0000,
  imgtrust: OTHER | 0x2b_0000,
  validator: OTHER | 0x2e_0000,
  ocsp: OTHER | 0x2f_0000,
} as const;

const FILE_WORDS: { readonly [Name in keyof typeof IPXE_FILE]: string } = {
  exec: 'the script',
  open: 'opening a URL',
  settings: 'a setting',
  parseopt: 'the options of a command',
  ipv4: 'IPv4',
  ipv6: 'IPv6',
  netdevice: 'the network card',
  tcp: 'TCP',
  http: 'HTTP',
  iscsi: 'iSCSI',
  udp: 'UDP',
  dhcp: 'DHCP',
  dns: 'DNS',
  tftp: 'TFTP',
  neighbour: 'ARP',
  image: 'what was downloaded',
  script: 'the script',
  segment: 'memory for what was downloaded',
  efiImage: 'an EFI program',
  autoboot: 'the network boot',
  imgmgmt: 'a download',
  tls: 'TLS',
  ifmgmt: 'the configuration of a network card',
  x509: 'a certificate',
  imgtrust: 'a signature',
  validator: 'the validation of a certificate',
  ocsp: 'OCSP',
};

/** Which part of iPXE it comes from, in words. */
export function wordsOfFile(file: number): string {
  for (const [name, known] of Object.entries(IPXE_FILE))
    if (known === file) return FILE_WORDS[name as keyof typeof IPXE_FILE];
  if ((file & ARCH) !== 0) return 'code of this processor architecture';
  switch (file & 0xe000) {
    case CORE:
      return 'the core';
    case 0x4000:
      return 'a driver';
    case NET:
      return 'the network';
    case IMAGE:
      return 'what was downloaded';
    default:
      return 'another part';
  }
}

/** EPLATFORM: what the firmware said stands in the low byte. */
export const PLATFORM_ERROR = 0x7f;

/** iPXE's numbers of POSIX errors, from 1 on (include/errno.h). */
const POSIX = [
  'E2BIG',
  'EACCES',
  'EADDRINUSE',
  'EADDRNOTAVAIL',
  'EAFNOSUPPORT',
  'EAGAIN',
  'EALREADY',
  'EBADF',
  'EBADMSG',
  'EBUSY',
  'ECANCELED',
  'ECHILD',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EDEADLK',
  'EDESTADDRREQ',
  'EDOM',
  'EDQUOT',
  'EEXIST',
  'EFAULT',
  'EFBIG',
  'EHOSTUNREACH',
  'EIDRM',
  'EILSEQ',
  'EINPROGRESS',
  'EINTR',
  'EINVAL',
  'EIO',
  'EISCONN',
  'EISDIR',
  'ELOOP',
  'EMFILE',
  'EMLINK',
  'EMSGSIZE',
  'EMULTIHOP',
  'ENAMETOOLONG',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  'ENFILE',
  'ENOBUFS',
  'ENODATA',
  'ENODEV',
  'ENOENT',
  'ENOEXEC',
  'ENOLCK',
  'ENOLINK',
  'ENOMEM',
  'ENOMSG',
  'ENOPROTOOPT',
  'ENOSPC',
  'ENOSR',
  'ENOSTR',
  'ENOSYS',
  'ENOTCONN',
  'ENOTDIR',
  'ENOTEMPTY',
  'ENOTSOCK',
  'ENOTSUP',
  'ENOTTY',
  'ENXIO',
  'EOPNOTSUPP',
  'EOVERFLOW',
  'EPERM',
  'EPIPE',
  'EPROTO',
  'EPROTONOSUPPORT',
  'EPROTOTYPE',
  'ERANGE',
  'EROFS',
  'ESPIPE',
  'ESRCH',
  'ESTALE',
  'ETIME',
  'ETIMEDOUT',
  'ETXTBSY',
  'EWOULDBLOCK',
  'EXDEV',
] as const;
export type PosixName = (typeof POSIX)[number];

/** Undefined for 0, for numbers that iPXE does not use, and for EPLATFORM. */
export function posixNameOf(number: number): PosixName | undefined {
  return POSIX[number - 1];
}
