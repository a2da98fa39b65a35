import { DOMAIN_PATTERN, IPV4_PATTERN } from '../document/text-schemas.ts';
import { parseIpv4, parseNetwork } from '../machine/ipv4.ts';
import type { ParameterValue } from '../machine/role.ts';
import {
  checkLabels,
  checkSysctl,
  checkTaint,
  checkUser,
  isSshKey,
  type ValueFlaw,
} from './parameter-maps.ts';

/** A kind of value that role.yaml can ask for (`checks: { disk: [auto, <device>] }`). */
export interface ParameterKind {
  /** The object of "expected". */
  readonly expected: string;
  /** `no`: it is nothing of the kind. */
  readonly check: (value: ParameterValue) => readonly ValueFlaw[] | 'no';
  /** It may hold a password, which is not to stand in a log. */
  readonly secret?: true;
}

const HOST = '[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(:[0-9]{1,5})?';
// distribution/reference: names are in lower case; what stands before the first slash may be a registry.
const PART = '[a-z0-9]+([._-]+[a-z0-9]+)*';
const REPOSITORY = `(${HOST}/)?${PART}(/${PART})*`;

/** By the name that stands in angle brackets. Each is said of every entry where the parameter is a list. */
export const PARAMETER_KINDS: { readonly [name: string]: ParameterKind } = {
  address: text('an IPv4 address such as 10.77.0.9', pattern(`^${IPV4_PATTERN}$`)),
  'address-range': text(
    'addresses such as 10.77.0.200-10.77.0.220, or a network such as 10.77.0.208/28',
    isRange,
  ),
  // What is written into a list of YAML in quotes: anything but what would break its line.
  argument: text('text without line breaks', pattern('^[^\\p{Cc}]+$')),
  console: text(
    'a console such as ttyS0 or ttyS0,115200n8',
    pattern('^[A-Za-z][A-Za-z0-9]{0,31}(,[A-Za-z0-9,]{1,64})?$'),
  ),
  device: text(
    'the path of a disk such as /dev/sda or /dev/disk/by-id/…',
    pattern('^(?!.*/\\.\\.?(/|$))/dev/[!-~]{1,250}(?<!/)$'),
  ),
  'disk-label': text('a label of 1 to 16 letters, digits, hyphens', pattern('^[A-Za-z0-9._-]{1,16}$')),
  domain: text('a domain such as edge.example.org', pattern(`^(?=.{1,253}$)${DOMAIN_PATTERN.slice(1)}`)),
  folder: text(
    'the name of a folder below /assets',
    pattern('^(?=.{1,200}$)[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$'),
  ),
  image: text(
    'a container image such as registry.k8s.io/pause:3.10',
    pattern(`^(?=.{1,512}$)${REPOSITORY}(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[0-9a-f]{64})?$`),
  ),
  'image-prefix': text(
    'what stands before an image, with a slash at its end, such as 10.77.0.1:5000/',
    pattern(`^(?=.{1,400}$)${HOST}/(${PART}/)*$`),
  ),
  interface: text(
    'the name of a network interface such as eth0',
    pattern('^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$'),
  ),
  'ipv6-address': text('an IPv6 address', isIpv6),
  keyboard: text('a keyboard layout such as us or de', pattern('^[a-z]{2,8}$')),
  labels: map('labels of a Node', checkLabels),
  locale: text(
    'a locale such as en_GB.UTF-8',
    pattern('^(C|[a-z]{2,3}_[A-Z]{2})(\\.[A-Za-z0-9-]{1,16})?(@[a-z]{1,16})?$'),
  ),
  // Quotes and backslashes mean something to systemd, which reads the file that this goes to.
  'no-proxy': text(
    'names and networks with commas between, without quotes',
    pattern('^[^\\p{Cc}"\'\\\\$`]{1,4000}$'),
  ),
  package: text("a package's name such as openssh-server", pattern('^[a-z0-9][a-z0-9+.-]{0,99}$')),
  // crypt(5): what stands in /etc/shadow. A colon or a blank would be its end.
  'password-hash': {
    ...text(
      'the hash of a password, as mkpasswd prints it',
      pattern('^\\$(y|gy|7|6|5|2[abxy])\\$[!-9;-~]{8,300}$'),
    ),
    secret: true,
  },
  path: text(
    'an absolute path such as /debian',
    pattern('^(?!.*/\\.\\.?(/|$))(/[A-Za-z0-9][A-Za-z0-9._~-]{0,99}){1,20}$'),
  ),
  // Debian's installer asks for a country where its locale has none.
  'regional-locale': text(
    'a locale with a country such as en_GB.UTF-8',
    pattern('^[a-z]{2,3}_[A-Z]{2}(\\.[A-Za-z0-9-]{1,16})?(@[a-z]{1,16})?$'),
  ),
  'proxy-url': {
    ...text('a URL such as http://proxy.example.org:3128', isUrl(['http:', 'https:', 'socks5:'])),
    secret: true,
  },
  registry: text('a registry such as 10.77.0.1:5000', pattern(`^${HOST}$`)),
  repository: text(
    'a container image without its tag, such as registry.k8s.io/kube-apiserver',
    pattern(`^(?=.{1,400}$)${REPOSITORY}$`),
  ),
  'ssh-key': text('a public key of SSH, as in authorized_keys', isSshKey),
  sysctl: map('settings of the kernel', checkSysctl),
  taint: map('a taint such as { key: role, value: edge, effect: NoSchedule }', checkTaint),
  timezone: text(
    'a time zone such as Europe/Berlin',
    pattern('^[A-Za-z][A-Za-z0-9_+-]{0,31}(/[A-Za-z0-9][A-Za-z0-9_+-]{0,31}){0,2}$'),
  ),
  url: { ...text('a URL such as http://10.77.0.1:5000', isUrl(['http:', 'https:'])), secret: true },
  user: map('a user such as { name: ada, groups: [sudo], sshAuthorizedKeys: [...] }', checkUser),
  // useradd(8); NAME_REGEX of Debian's adduser.
  'user-name': text("a user's name such as ada", pattern('^(?!root$)[a-z][a-z0-9_-]{0,31}$')),
  // Also the old ones of CoreOS: v1.9.6_coreos.0
  version: text(
    'a version such as v1.36.0',
    pattern('^v(0|[1-9]\\d{0,5})(\\.(0|[1-9]\\d{0,5})){2}([-_][0-9A-Za-z._-]{1,64})?$'),
  ),
};

function text(expected: string, fits: (value: string) => boolean): ParameterKind {
  return {
    expected,
    check: (value) => (typeof value === 'string' && fits(value) ? [] : 'no'),
  };
}

function map(
  expected: string,
  check: (value: { readonly [key: string]: ParameterValue }) => readonly ValueFlaw[],
): ParameterKind {
  return { expected, check: (value) => (isMap(value) ? check(value) : 'no') };
}

function pattern(source: string): (value: string) => boolean {
  const expression = new RegExp(source, 'u');
  return (value) => expression.test(value);
}

function isRange(value: string): boolean {
  // parseIpv4 takes blanks around an address.
  if (!/^[0-9./-]{1,40}$/.test(value)) return false;
  if (parseNetwork(value) !== undefined) return true;
  const [first, last, more] = value.split('-').map(parseIpv4);
  return first !== undefined && last !== undefined && more === undefined && first <= last;
}

function isIpv6(value: string): boolean {
  return /^[0-9A-Fa-f:.]{2,45}$/.test(value) && value.includes(':') && URL.canParse(`http://[${value}]/`);
}

function isUrl(protocols: readonly string[]): (value: string) => boolean {
  return (value) =>
    /^[a-z0-9]+:\/\/[!-~]{1,2000}$/.test(value) &&
    URL.canParse(value) &&
    protocols.includes(new URL(value).protocol) &&
    new URL(value).hostname !== '';
}

export function isMap(
  value: ParameterValue | undefined,
): value is { readonly [key: string]: ParameterValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
