import { TinderboxError } from '../errors.ts';
import { formatIpv4 } from '../machine/ipv4.ts';
import { EXTENSION_OIDS, type KeyUsage, NAME_OIDS, USAGE_OIDS } from './object-identifiers.ts';
import type { Entitlement } from './port.ts';
import {
  type Extension,
  readBasicConstraints,
  readExtendedKeyUsage,
  readKeyUsage,
} from './read-extensions.ts';
import type { SigningRequest } from './read-request.ts';

/** nonRepudiation is not given, but OpenSSL's shipped configuration asks for it in every request. */
const HARMLESS_KEY_USAGES: readonly KeyUsage[] = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'keyAgreement',
];

const ATTRIBUTE_NAMES = new Map<string, string>([
  [NAME_OIDS.commonName, 'CN'],
  [NAME_OIDS.organization, 'O'],
  ['2.5.4.6', 'C'],
  ['2.5.4.7', 'L'],
  ['2.5.4.8', 'ST'],
  ['2.5.4.11', 'OU'],
]);

const MAX_SAID = 5;

/**
 * What a request asks for beyond the entitlement, in words; empty if nothing. It may ask for less: what is signed is
 * the entitlement, so that a guest with a small openssl can send an empty subject.
 */
export function findExcess(request: SigningRequest, entitlement: Entitlement): readonly string[] {
  const { subject, names } = entitlement;
  const allowed = new Map<string, readonly string[]>([
    [NAME_OIDS.commonName, [subject.commonName]],
    [NAME_OIDS.organization, subject.organizations],
  ]);
  const addresses = names.addresses.map(formatIpv4);
  return [
    ...request.subject
      .filter(({ type, text }) => allowed.get(type)?.includes(text) !== true)
      .map(({ type, text }) => `subject ${ATTRIBUTE_NAMES.get(type) ?? type}=${text}`),
    ...request.dns.filter((name) => !names.dns.includes(name)).map((name) => `the name ${name}`),
    ...request.addresses
      .map(formatIpv4)
      .filter((address) => !addresses.includes(address))
      .map((address) => `the address ${address}`),
    ...request.otherNames.map((name) => `the name ${name}`),
    ...request.extensions.flatMap((extension) => excessOfExtension(extension, entitlement)),
  ];
}

/** Throws `refused`, naming the differences and what would be signed. */
export function refuseExcess(request: SigningRequest, entitlement: Entitlement): void {
  const excess = findExcess(request, entitlement);
  if (excess.length === 0) return;
  const more = excess.length > MAX_SAID ? ` and ${excess.length - MAX_SAID} more` : '';
  const said = excess.slice(0, MAX_SAID).map(fitForALine).join(', ');
  const { subject, names } = entitlement;
  const subjectText = [...subject.organizations.map((text) => `O=${text}`), `CN=${subject.commonName}`];
  const nameTexts = [...names.dns, ...names.addresses.map(formatIpv4)];
  const withNames = nameTexts.length === 0 ? 'no names' : `the names ${nameTexts.join(', ')}`;
  throw new TinderboxError(
    'refused',
    `the signing request for ${entitlement.name} asks for more than this machine may have: ${said}${more}`,
    { remedy: `It may have ${subjectText.join(', ')} with ${withNames}.` },
  );
}

function excessOfExtension({ oid, value }: Extension, { usage }: Entitlement): readonly string[] {
  try {
    switch (oid) {
      case EXTENSION_OIDS.basicConstraints:
        return readBasicConstraints(value).isAuthority ? ['to be an authority (CA:TRUE)'] : [];
      case EXTENSION_OIDS.keyUsage:
        return readKeyUsage(value)
          .filter((asked) => !HARMLESS_KEY_USAGES.includes(asked))
          .map((asked) => `the key usage ${asked}`);
      case EXTENSION_OIDS.extendedKeyUsage: {
        const given: readonly string[] = usage.map((one) => USAGE_OIDS[one]);
        return readExtendedKeyUsage(value)
          .filter((asked) => !given.includes(asked))
          .map((asked) => `the usage ${nameOfUsage(asked)}`);
      }
      case EXTENSION_OIDS.subjectKeyIdentifier:
        return [];
      default:
        return [`the extension ${oid}`];
    }
  } catch (error) {
    return [`an extension ${oid} that cannot be read (${(error as Error).message})`];
  }
}

function nameOfUsage(oid: string): string {
  return Object.entries(USAGE_OIDS).find(([, known]) => known === oid)?.[0] ?? oid;
}

/** It is a stranger's text, on its way to a log and a terminal. */
function fitForALine(text: string): string {
  const clean = text.replace(/[^\x20-\x7e]/g, '?');
  return clean.length <= 100 ? clean : `${clean.slice(0, 99)}~`;
}
