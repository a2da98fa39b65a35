import { createPrivateKey, X509Certificate } from 'node:crypto';
import { formatIpv4 } from './machine/ipv4.ts';
import { fingerprintKey } from './pki/describe-key.ts';
import type { Authorities, Entitlement } from './pki/port.ts';

/** A pair that was issued before: PEM. */
export interface KnownPair {
  readonly certificate: string;
  readonly key: string;
}

/**
 * Authorities that give out again what they gave before, while it is still right: from the authority that signs now,
 * for exactly this, with more than a third of its time left. `known` finds the pair of an entitlement.
 */
export function keepCertificates(
  authorities: Authorities,
  known: (entitlement: Entitlement) => Promise<KnownPair | undefined>,
  now: number,
): Authorities {
  return {
    ...authorities,
    async issue(entitlement) {
      const pair = await known(entitlement);
      const trust = authorities.trustOf(entitlement.authority);
      const kept = pair === undefined ? undefined : fitting(pair, entitlement, trust, now);
      if (pair === undefined || kept === undefined) return authorities.issue(entitlement);
      return {
        name: entitlement.name,
        certificatePem: pair.certificate,
        keyPem: pair.key,
        serial: kept.serialNumber.toLowerCase(),
        keyFingerprint: fingerprintKey(kept.publicKey),
        notBefore: kept.validFromDate.getTime(),
        notAfter: kept.validToDate.getTime(),
      };
    },
  };
}

function fitting(
  { certificate: pem, key }: KnownPair,
  { subject, names, usage, lifetime }: Entitlement,
  trust: string,
  now: number,
): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(pem);
    const authority = new X509Certificate(trust);
    const from = certificate.validFromDate.getTime();
    const to = certificate.validToDate.getTime();
    const wanted = [
      ...names.dns.map((name) => `DNS:${name}`),
      ...names.addresses.map((address) => `IP Address:${formatIpv4(address)}`),
    ];
    const right =
      certificate.checkIssued(authority) &&
      certificate.verify(authority.publicKey) &&
      certificate.checkPrivateKey(createPrivateKey(key)) &&
      to - now > (to - from) / 3 &&
      to <= now + lifetime &&
      same(certificate.subject.split('\n'), [
        `CN=${subject.commonName}`,
        ...subject.organizations.map((name) => `O=${name}`),
      ]) &&
      same(certificate.subjectAltName?.split(', ') ?? [], wanted) &&
      same(
        certificate.keyUsage,
        usage.map((use) => USAGE_OIDS[use]),
      );
    return right ? certificate : undefined;
  } catch {
    // Cut off, or no certificate at all: a new one is made.
    return undefined;
  }
}

/** RFC 5280 section 4.2.1.12: id-kp-clientAuth, id-kp-serverAuth. Node calls the extended usage `keyUsage`. */
const USAGE_OIDS = { client: '1.3.6.1.5.5.7.3.2', server: '1.3.6.1.5.5.7.3.1' } as const;

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((each) => other.includes(each));
}
